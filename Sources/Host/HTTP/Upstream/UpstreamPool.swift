import AdapterAPI

/// One loop's connections to one upstream. Touched by its loop's thread only.
final class UpstreamPool {
  let loop: EventLoop
  private let limits: Configuration.UpstreamLimits
  let timeouts: UpstreamTimeouts
  /// Places for open connections, over all loops.
  let connections: Permits
  let serializer: RequestSerializer
  /// Kept alive and free; the last used first, so that the others can grow old and close.
  private var idle: [UpstreamConnection] = []
  /// Those that came back in this turn: what else came for them has not been seen yet, so that they are taken last.
  private var fresh: [UpstreamConnection] = []
  private var turn = 0
  private var isClosed = false
  /// Asks the other loops' pools for a connection that lies idle there.
  var askOthersForIdle: () -> Void = {}

  /// How long a connection is kept without a request, in nanoseconds.
  private static let keepIdle: Int64 = 60_000_000_000

  init(loop: EventLoop, limits: Configuration.UpstreamLimits, connections: Permits, serializer: RequestSerializer) {
    self.loop = loop
    self.limits = limits
    timeouts = UpstreamTimeouts(limits)
    self.connections = connections
    self.serializer = serializer
  }

  /// A connection that was kept, if there is one.
  func kept() -> UpstreamConnection? {
    turnsOver()
    guard let kept = idle.popLast() ?? fresh.popLast() else { return nil }
    kept.deadline = nil
    return kept
  }

  private func turnsOver() {
    guard turn != loop.turns else { return }
    turn = loop.turns
    idle.append(contentsOf: fresh)
    fresh.removeAll(keepingCapacity: true)
  }

  /// A new connection, as soon as there is a place for one.
  func connection(
    to addresses: [SocketAddress], _ priority: Priority, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamFailure> {
    if !connections.tryAcquire(priority) {
      // All places are taken. Connections that lie idle, here or on another loop, hold places that this call can have.
      if let kept = kept() { kept.close() }
      switch await connections.acquire(
        priority, on: loop, until: deadline, bound: .max, whenWaiting: askOthersForIdle)
      {
      case .granted: break
      case .cancelled: return .failure(.init(kind: .cancelled, detail: "the caller left", requestLeft: false))
      case .timedOut, .full:
        return .failure(.init(kind: .timeout, detail: "no connection became free in time", requestLeft: false))
      }
    }
    return await open(addresses, priority, deadline: deadline)
  }

  /// The first of these addresses that takes a connection. A place was taken for it.
  private func open(
    _ addresses: [SocketAddress], _ priority: Priority, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamFailure> {
    var index = 0
    while index < addresses.count {
      let result = await UpstreamConnection.open(
        to: addresses[index], pool: self, limits: limits, loop: loop, deadline: deadline)
      index += 1
      guard case .failure(let failure) = result, failure.kind != .cancelled, index < addresses.count else {
        return result
      }
      // The place went with the connection that failed.
      guard connections.tryAcquire(priority) else { return result }
    }
    connections.release(.values)
    return .failure(.init(kind: .unreachable, detail: "the name has no address", requestLeft: false))
  }

  /// A connection has done its exchange and can be used again.
  func takeBack(_ connection: UpstreamConnection) {
    // A place that somebody waits for is worth more than a connection that may be used again.
    guard !isClosed, !connections.hasWaiters else { return connection.close() }
    connection.deadline = loop.now.advanced(byNanoseconds: UpstreamPool.keepIdle)
    turnsOver()
    fresh.append(connection)
  }

  func connectionClosed(_ connection: UpstreamConnection) {
    if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    if let index = fresh.lastIndex(where: { $0 === connection }) { fresh.remove(at: index) }
    connections.release(.values)
  }

  /// Another loop has no place left for a connection: one that lies idle here makes room.
  func giveUpIdle() {
    turnsOver()
    (idle.first ?? fresh.first)?.close()
  }

  /// No more calls come: closes what is idle; the others close when their exchange ends.
  func shutdown() {
    isClosed = true
    // The loops' pools hold each other no longer.
    askOthersForIdle = {}
    let all = idle + fresh
    idle = []
    fresh = []
    for connection in all { connection.close() }
  }
}
