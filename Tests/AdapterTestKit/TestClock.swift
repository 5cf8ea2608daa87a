import AdapterAPI
import Synchronization

/// A clock that stands still until a test advances it. Usable from any thread.
///
/// `sleep` returns once `advance` has passed its deadline. An eager clock does not suspend the sleeper: it jumps to the
/// deadline. That suits tests whose subject is not the waiting.
public final class TestClock: GatewayClock {
  private struct State {
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var wall: Int64
    var nextID = 0
    var sleepers: [Int: (deadline: Instant, continuation: CheckedContinuation<Void, any Error>)] = [:]
    var cancelled: Set<Int> = []
  }

  private let state: Mutex<State>
  private let isEager: Bool

  /// - Parameter wall: milliseconds since the epoch; the default is 2026-06-17 10:30:00 UTC, a Wednesday.
  public init(wall: Int64 = 1_781_692_200_000, isEager: Bool = false) {
    state = Mutex(State(wall: wall))
    self.isEager = isEager
  }

  public func now() -> Instant { state.withLock { $0.now } }
  /// Milliseconds since the epoch.
  public func wall() -> Int64 { state.withLock { $0.wall } }
  /// The number of tasks that sleep on this clock.
  public var sleepers: Int { state.withLock { $0.sleepers.count } }

  /// Moves both times forward and resumes the sleepers whose deadline has passed.
  public func advance(by duration: Duration) {
    let due = state.withLock { state in
      state.now = state.now + duration
      state.wall += duration.milliseconds
      let now = state.now
      let due = state.sleepers.filter { $0.value.deadline <= now }
      for id in due.keys { state.sleepers[id] = nil }
      return due.values.map(\.continuation)
    }
    for continuation in due { continuation.resume() }
  }

  /// Suspends until the clock reaches the deadline.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  public func sleep(until deadline: Instant) async throws {
    if isEager {
      let left = deadline - now()
      if left > .zero { advance(by: left) }
      return try Task.checkCancellation()
    }
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
      let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
        let sleeper = state.sleepers.removeValue(forKey: id)
        if sleeper == nil { state.cancelled.insert(id) }
        return sleeper?.continuation
      }
      continuation?.resume(throwing: CancellationError())
    }
  }
}
