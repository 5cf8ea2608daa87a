import AdapterAPI
import Synchronization

/// Actions at points of time, on a thread of their own: what keeps callers' deadlines whatever the other threads hang in.
///
/// There are as many entries as callers wait, a few hundred at most.
final class PostgresTimers: Sendable {
  private struct Entry {
    let due: Instant
    let action: @Sendable () -> Void
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    /// When the thread wakes by itself.
    var armed = Instant.distantFuture
    var isRunning = false
    var isOver = false
  }

  private let state = Mutex(State())
  private let signal = PostgresSignal()

  /// - Parameter id: what `cancel` takes.
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

  /// Ends the thread; what is due later never happens.
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

  /// What is due now, and when to look again; nil at the end.
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
