/// The tasks that serve a server's exchanges on one loop. On the loop's thread.
///
/// A task that has served an exchange waits for the next one: creating a task with the memory for its frames, and destroying both,
/// costs a seventh of all the work for a short request.
final class ExchangeTasks {
  let server: ServerContext
  private let handler: any ExchangeHandler
  private var idle: [ExchangeTask] = []

  /// The largest number of idle tasks; each holds some 6 KB.
  private static let maxIdle = 256

  init(server: ServerContext, handler: any ExchangeHandler) {
    self.server = server
    self.handler = handler
  }

  /// Ends the idle tasks, which hold no reference to this object. Safe on any thread: nothing else reaches those tasks any more,
  /// and their continuations resume on their loop.
  deinit { for task in idle { task.end() } }

  /// Serves the exchange; runs it up to its first `await` before it returns.
  func start(_ exchange: Exchange) {
    if let task = idle.popLast() {
      exchange.task = task
      server.loop.runNow { task.serve(exchange, of: self) }
    } else {
      let task = ExchangeTask()
      exchange.task = task
      task.start(with: exchange, of: self)
    }
  }

  /// Returns the handler's response to bytes that are not a request.
  func response(to refused: RefusedRequest) -> Response { handler.response(to: refused) }

  /// Returns the handler's response to a request that `drain_timeout` ends.
  func responseToCut(_ exchange: Exchange) -> Response { handler.responseToCut(exchange) }

  fileprivate func serve(_ exchange: Exchange) async { await handler.serve(exchange) }

  /// Takes the task back; false when enough tasks are idle, and this one is to end.
  fileprivate func takeBack(_ task: ExchangeTask) -> Bool {
    guard idle.count < ExchangeTasks.maxIdle else { return false }
    idle.append(task)
    return true
  }
}

/// A reusable task that serves one exchange at a time.
final class ExchangeTask {
  private var task: Task<Void, Never>?
  private var waiter: UnsafeContinuation<Void, Never>?
  private var next: (exchange: Exchange, tasks: ExchangeTasks)?
  private var isOver = false

  /// Tells the handler that the client has left. A cancelled task is not reused.
  func cancel() { task?.cancel() }

  fileprivate func start(with exchange: Exchange, of tasks: ExchangeTasks) {
    next = (exchange, tasks)
    let bound = LoopBound(self, on: exchange.loop)
    task = Task.immediate(executorPreference: exchange.loop) { await bound.value.run() }
  }

  fileprivate func serve(_ exchange: Exchange, of tasks: ExchangeTasks) {
    next = (exchange, tasks)
    resume()
  }

  fileprivate func end() {
    isOver = true
    resume()
  }

  private func resume() {
    let waiting = waiter
    waiter = nil
    waiting?.resume()
  }

  private func run() async {
    while await serveNext(), !isOver { await withUnsafeContinuation { waiter = $0 } }
  }

  /// Serves one exchange; false when this task is to end. A function of its own, so that an idle task holds nothing of the
  /// exchange.
  private func serveNext() async -> Bool {
    guard let (exchange, tasks) = next else { return false }
    next = nil
    await tasks.serve(exchange)
    exchange.connection.exchangeEnded(exchange)
    exchange.task = nil
    return !Task.isCancelled && tasks.takeBack(self)
  }
}
