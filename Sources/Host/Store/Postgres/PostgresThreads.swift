import Synchronization

/// Counts the threads of one database, to wait for the end of the last one.
final class PostgresThreads: Sendable {
  private struct State {
    var count = 0
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  /// - Returns: false when the thread could not be created.
  func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    state.withLock { $0.count += 1 }
    let status = DetachedThread.start { [self] in
      body()
      leave()
    }
    if status != 0 { leave() }
    return status == 0
  }

  private func leave() {
    let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.count -= 1
      guard state.count == 0 else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Waits until no thread runs, or until `giveUp`.
  func end() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.count > 0 { state.waiting.append(continuation) }
        return state.count == 0
      }
      if isOver { continuation.resume() }
    }
  }

  /// Ends every wait in `end`. Blocked threads end later.
  func giveUp() {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}
