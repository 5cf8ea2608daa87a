import AdapterAPI

/// One loop's connections to one upstream, and its part of the upstream's queue. Touched by its loop's thread only.
final class UpstreamPool {
  let loop: EventLoop
  private let limits: Configuration.UpstreamLimits
  let timeouts: UpstreamTimeouts
  /// Calls in flight.
  let calls: PermitQueue
  /// Open connections.
  let connections: PermitQueue
  /// Kept alive and free; the last used first, so that the others can grow old and close.
  private var idle: [UpstreamConnection] = []
  private var isClosed = false
  /// Asks the other loops' pools for a connection that lies idle there.
  var askOthersForIdle: () -> Void = {}

  /// How long a connection is kept without a request, in nanoseconds.
  private static let keepIdle: Int64 = 60_000_000_000

  init(loop: EventLoop, limits: Configuration.UpstreamLimits, calls: PermitQueue, connections: PermitQueue) {
    self.loop = loop
    self.limits = limits
    timeouts = UpstreamTimeouts(limits)
    self.calls = calls
    self.connections = connections
  }

  /// A connection that is ready to send: a kept one, else a new one.
  func connection(
    to addresses: [SocketAddress], fresh: Bool, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamConnection.Failure> {
    if !fresh, let kept = idle.popLast() {
      kept.deadline = nil
      return .success(kept)
    }
    if !connections.tryAcquire() {
      // All places are taken. Connections that lie idle, here or on another loop, hold places that this call can have.
      if let kept = idle.popLast() { kept.close() } else { askOthersForIdle() }
      switch await connections.acquire(until: deadline, bound: .max) {
      case .granted: break
      case .cancelled: return .failure(.init(kind: .cancelled, detail: "the caller left", requestLeft: false))
      case .timedOut, .full:
        return .failure(.init(kind: .timeout, detail: "no connection became free in time", requestLeft: false))
      }
    }
    var last = UpstreamConnection.Failure(kind: .unreachable, detail: "the name has no address", requestLeft: false)
    for address in addresses {
      let result = await UpstreamConnection.open(to: address, pool: self, limits: limits, loop: loop, deadline: deadline)
      switch result {
      case .success(let connection): return .success(connection)
      case .failure(let failure):
        last = failure
        if failure.kind == .cancelled { break }
        // The place went with the connection that failed.
        if address != addresses.last, !connections.tryAcquire() { return .failure(failure) }
      }
    }
    return .failure(last)
  }

  /// A connection has done its exchange and can be used again.
  func takeBack(_ connection: UpstreamConnection) {
    guard !isClosed else { return connection.close() }
    connection.deadline = loop.now.advanced(byNanoseconds: UpstreamPool.keepIdle)
    idle.append(connection)
  }

  func connectionClosed(_ connection: UpstreamConnection) {
    if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    connections.release()
  }

  /// Another loop has no place left for a connection: one that lies idle here makes room.
  func giveUpIdle() {
    guard !idle.isEmpty else { return }
    idle.removeFirst().close()
  }

  /// No more calls come: closes what is idle; the others close when their exchange ends.
  func shutdown() {
    isClosed = true
    let all = idle
    idle = []
    for connection in all { connection.close() }
  }

  func serveWaiters() {
    calls.serve(andOthers: false)
    connections.serve(andOthers: false)
  }
}
