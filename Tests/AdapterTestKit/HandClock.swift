import AdapterAPI
import Synchronization

/// A clock that stands still until a test moves it.
///
/// `sleep` is woken by `advance`. An eager clock lets nobody wait and jumps to the deadline instead, for code whose
/// waiting is not what is tested.
public final class HandClock: GatewayClock {
  private struct State {
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var wall: Int64
    var nextID = 0
    var sleepers: [Int: (deadline: Instant, continuation: CheckedContinuation<Void, any Error>)] = [:]
    var cancelled: Set<Int> = []
    var isEager = false
  }

  private let state: Mutex<State>

  /// - Parameter wall: milliseconds since the epoch; the default is 2026-06-17 10:30:00 UTC, a Wednesday.
  public init(wall: Int64 = 1_781_692_200_000, isEager: Bool = false) {
    state = Mutex(State(wall: wall, isEager: isEager))
  }

  public func now() -> Instant { state.withLock { $0.now } }
  public func wall() -> Int64 { state.withLock { $0.wall } }
  /// How many tasks wait for this clock.
  public var sleepers: Int { state.withLock { $0.sleepers.count } }

  public func advance(by duration: Duration) {
    let woken = state.withLock { state in
      state.now = state.now + duration
      state.wall += duration.milliseconds
      let now = state.now
      let due = state.sleepers.filter { $0.value.deadline <= now }
      for id in due.keys { state.sleepers[id] = nil }
      return due.values.map(\.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  public func sleep(until deadline: Instant) async throws {
    let isEager = state.withLock { state in
      if state.isEager, deadline > state.now {
        state.wall += (deadline - state.now).milliseconds
        state.now = deadline
      }
      return state.isEager
    }
    if isEager { return try Task.checkCancellation() }
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let result: Result<Void, any Error>? = state.withLock { state in
          if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
          if deadline <= state.now { return .success(()) }
          state.sleepers[id] = (deadline, continuation)
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let continuation = state.withLock { state in
        if let sleeper = state.sleepers.removeValue(forKey: id) { return sleeper.continuation as CheckedContinuation? }
        state.cancelled.insert(id)
        return nil
      }
      continuation?.resume(throwing: CancellationError())
    }
  }
}
