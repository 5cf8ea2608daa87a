import AdapterAPI

/// What answers requests: the gateway's pipeline, or the admin pages.
protocol ExchangeHandler: AnyObject {
  /// Answers one exchange, on its loop. Runs at once up to its first wait; until then the request's head can be looked at.
  func serve(_ exchange: Exchange) async
}

/// One loop's side of a server: its limits, its handler, its connections. Touched by its loop's thread only.
final class ServerContext {
  let loop: EventLoop
  private(set) var limits: HTTPLimits
  private(set) var timeouts: ServerTimeouts
  let connections: ConnectionCount
  /// Shared by all connections of all loops.
  let memory: MemoryBudget
  let tasks: ExchangeTasks
  /// Connections close after the answer that is under way.
  private(set) var isDraining = false
  private(set) var date = HTTPDate()

  init(
    loop: EventLoop, listen: Configuration.Listen, connections: ConnectionCount, memory: MemoryBudget,
    handler: any ExchangeHandler
  ) {
    self.loop = loop
    self.connections = connections
    self.memory = memory
    tasks = ExchangeTasks(loop: loop, handler: handler)
    limits = HTTPLimits(listen)
    timeouts = ServerTimeouts(listen)
  }

  /// New limits, for what happens from now on.
  func use(_ listen: Configuration.Listen) {
    limits = HTTPLimits(listen)
    timeouts = ServerTimeouts(listen)
  }

  /// `Date: …\r\n` of this second.
  func appendDate(to bytes: inout ByteBuffer) { bytes.append(contentsOf: date.line(at: loop.now)) }

  /// Says that connections shall end: idle ones now, the others after their answer.
  func drain() {
    isDraining = true
    for connection in open { connection.drain() }
  }

  /// Ends every connection at once.
  func closeAll() { for connection in open { connection.abort() } }

  var open: [ServerConnection] {
    loop.allObjects.compactMap { ($0 as? ServerConnection).flatMap { $0.server === self ? $0 : nil } }
  }
}

extension HTTPLimits {
  init(_ listen: Configuration.Listen) {
    self.init(
      maxRequestLine: listen.maxRequestLine, maxHeaderSize: listen.maxHeaderSize,
      maxHeaderFields: listen.maxHeaderFields)
  }
}
