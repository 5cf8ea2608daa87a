/// The tasks that serve the exchanges of a server on one loop. One that has served waits for the next exchange: to make a task
/// and the memory for its frames, and to take both down again, costs a seventh of all that the gateway does for a short request.
///
/// Touched by its loop's thread only.
final class ExchangeTasks {
  private let loop: EventLoop
  private let handler: any ExchangeHandler
  private var waiting: [ExchangeTask] = []

  /// More than that are not kept; each holds some 6 KB.
  private static let kept = 256

  init(loop: EventLoop, handler: any ExchangeHandler) {
    self.loop = loop
    self.handler = handler
  }

  /// Those that wait hold neither this nor a server: they end with it. On whatever thread lets go of it last: nobody else reaches
  /// them any more, and what they resume is sent to their loop.
  deinit { for task in waiting { task.end() } }

  /// Serves the exchange: at once up to its first wait.
  func start(_ exchange: Exchange) {
    if let task = waiting.popLast() {
      exchange.task = task
      loop.runNow { task.goOn(with: exchange) }
    } else {
      let task = ExchangeTask()
      exchange.task = task
      task.start(with: exchange)
    }
  }

  fileprivate func serve(_ exchange: Exchange) async { await handler.serve(exchange) }

  /// Whether the task is to wait for one more exchange.
  fileprivate func keep(_ task: ExchangeTask) -> Bool {
    guard waiting.count < ExchangeTasks.kept else { return false }
    waiting.append(task)
    return true
  }
}

/// One of them.
final class ExchangeTask {
  private var task: Task<Void, Never>?
  private var waiter: UnsafeContinuation<Void, Never>?
  private var next: Exchange?
  private var isOver = false

  /// Tells the handler that nobody waits for its answer; such a task serves nobody else.
  func cancel() { task?.cancel() }

  fileprivate func start(with exchange: Exchange) {
    next = exchange
    let bound = LoopBound(self, on: exchange.loop)
    task = Task.immediate(executorPreference: exchange.loop) { await bound.value.run() }
  }

  /// Resumes it where it waits.
  fileprivate func goOn(with exchange: Exchange) {
    next = exchange
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

  /// Serves one exchange; false when this is the task's last. A function of its own, so that nothing of the exchange is held
  /// while the task waits.
  private func serveNext() async -> Bool {
    guard let exchange = next else { return false }
    next = nil
    let tasks = exchange.connection.server.tasks
    await tasks.serve(exchange)
    exchange.connection.exchangeEnded(exchange)
    exchange.task = nil
    return !Task.isCancelled && tasks.keep(self)
  }
}
