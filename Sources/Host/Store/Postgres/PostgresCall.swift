import Synchronization

/// A caller's transaction on its way through a pool.
protocol PostgresJob: AnyObject, Sendable {
  var work: PostgresWork { get }
  /// Runs the body. Its result replaces that of an earlier run.
  func run(_ session: any SQLSession) throws(StoreError)
  /// Resumes the caller with the result of the last run.
  func succeed()
  func fail(_ error: StoreError)
}

/// Resumes the caller once: with the end of the work or at the deadline, whichever comes first.
final class PostgresCall<Value: Sendable>: PostgresJob {
  private struct State {
    var continuation: CheckedContinuation<Result<Value, StoreError>, Never>?
    var value: Value?
  }

  let work: PostgresWork
  private let body: @Sendable (any SQLSession) throws(StoreError) -> Value
  private let state: Mutex<State>

  init(
    _ work: PostgresWork, _ continuation: CheckedContinuation<Result<Value, StoreError>, Never>,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) {
    self.work = work
    self.body = body
    state = Mutex(State(continuation: continuation))
  }

  func run(_ session: any SQLSession) throws(StoreError) {
    let value = try body(session)
    state.withLock { $0.value = value }
  }

  func succeed() {
    let value = state.withLock { $0.value }
    if let value { finish(.success(value)) } else { finish(.failure(.postgresLost)) }
  }

  func fail(_ error: StoreError) { finish(.failure(error)) }

  private func finish(_ result: Result<Value, StoreError>) {
    let continuation = state.withLock { state in
      defer { state.continuation = nil }
      return state.continuation
    }
    continuation?.resume(returning: result)
  }
}
