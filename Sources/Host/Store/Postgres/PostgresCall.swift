import Synchronization

/// A caller's work on its way through a lane.
protocol PostgresJob: AnyObject, Sendable {
  var work: PostgresWork { get }
  /// Runs the body; what it returned before is forgotten.
  func run(_ session: any SQLSession) throws(StoreError)
  /// Gives the caller what the body returned last.
  func succeed()
  func fail(_ error: StoreError)
}

/// The one caller's answer: what comes first counts, the end of the work or the deadline.
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
