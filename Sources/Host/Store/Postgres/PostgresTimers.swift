import AdapterAPI
import Synchronization

/// Runs actions at points of time on its own thread. Enforces callers' deadlines whatever the other threads are blocked
/// in.
///
/// Holds one entry per waiting caller, a few hundred at most.
final class PostgresTimers: Sendable {
  private struct Entry {
    let due: Instant
    let action: @Sendable () -> Void
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    /// The time at which the thread wakes by itself.
    var armed = Instant.distantFuture
    var isRunning = false
    var isOver = false
  }

  private let state = Mutex(State())
  private let signal = PostgresSignal()

  /// - Parameter id: identifies the entry for `cancel`.
  func add(_ id: UInt64, at due: Instant, _ action: @escaping @Sendable () -> Void) throws(StoreError) {
    let isEarlier = try state.withLock { (state) throws(StoreError) -> Bool in
      if state.isOver { throw .closed }
      if !state.isRunning {
        guard DetachedThread.start({ [self] in run() }) == 0 else { throw .postgresThread }
        state.isRunning = true
      }
      state.entries[id] = Entry(due: due, action: action)
      return due < state.armed
    }
    if isEarlier { signal.raise() }
  }

  func cancel(_ id: UInt64) {
    _ = state.withLock { $0.entries.removeValue(forKey: id) }
  }

  /// Ends the thread. Entries that are not yet due are dropped.
  func finish() {
    state.withLock {
      $0.isOver = true
      $0.entries = [:]
    }
    signal.raise()
  }

  private func run() {
    while let (due, next) = take() {
      for entry in due { entry.action() }
      if due.isEmpty {
        _ = signal.wait(until: next)
        signal.clear()
      }
    }
  }

  /// Returns the entries that are due and the time of the next one; nil at the end.
  private func take() -> ([Entry], Instant)? {
    let now = Instant.current
    return state.withLock { state in
      if state.isOver { return nil }
      let due = state.entries.filter { $0.value.due <= now }
      for id in due.keys { state.entries[id] = nil }
      state.armed = state.entries.values.map(\.due).min() ?? .distantFuture
      return (due.values.sorted { $0.due < $1.due }, state.armed)
    }
  }
}
