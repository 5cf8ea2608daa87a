import AdapterAPI

/// What answers requests: the gateway's pipeline, or the admin pages.
protocol ExchangeHandler: AnyObject {
  /// Answers one exchange, on its loop. Runs at once up to its first wait; until then the request's head can be looked at.
  func serve(_ exchange: Exchange) async
}

/// One loop's side of a server: its limits, its handler, its connections. Touched by its loop's thread only.
final class ServerContext {
  let loop: EventLoop
  private(set) var listen: Configuration.Listen
  private(set) var limits: HTTPLimits
  private(set) var timeouts: ServerTimeouts
  let connections: ConnectionCount
  /// Shared by all connections of all loops.
  let memory: MemoryBudget
  let handler: any ExchangeHandler
  /// Connections close after the answer that is under way.
  private(set) var isDraining = false
  /// Space in which answers are put together, one behind the other: those of a turn leave at its end.
  var building: [UInt8] = []
  /// How many answers stand in it.
  private var built = 0
  private(set) var date = HTTPDate()

  init(
    loop: EventLoop, listen: Configuration.Listen, connections: ConnectionCount, memory: MemoryBudget,
    handler: any ExchangeHandler
  ) {
    self.loop = loop
    self.listen = listen
    self.connections = connections
    self.memory = memory
    self.handler = handler
    limits = HTTPLimits(listen)
    timeouts = ServerTimeouts(listen)
  }

  /// New limits, for what happens from now on.
  func use(_ listen: Configuration.Listen) {
    self.listen = listen
    limits = HTTPLimits(listen)
    timeouts = ServerTimeouts(listen)
  }

  /// The answers in the building space may take so much together before the next one is not left to wait.
  private static let buildingSize = 256 << 10

  /// One more answer may stand in the building space until the end of the turn.
  var hasRoom: Bool { building.count < ServerContext.buildingSize }

  /// Takes out what was built from `start` on, to be sent at once.
  func takeBuilt(from start: Int) -> [UInt8] {
    defer { building.removeSubrange(start...) }
    return Array(building[start...])
  }

  /// An answer stays in the building space.
  func keepBuilt() { built += 1 }

  /// It has left, or nobody wants it any more.
  func dropBuilt() {
    built -= 1
    if built == 0 { building.removeAll(keepingCapacity: true) }
  }

  /// `Date: …\r\n` of this second.
  func appendDate(to bytes: inout [UInt8]) { date.append(to: &bytes, now: loop.now) }

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
