import AdapterAPI

/// The connections of one loop to one upstream. Touched by its loop's thread only.
final class UpstreamPool {
  let loop: EventLoop
  let options: UpstreamOptions
  let timeouts: UpstreamTimeouts
  /// Permits for requests in flight, over all loops.
  let requests: any PermitPool
  /// Permits for open connections, over all loops.
  let connections: any PermitPool
  let serializer: RequestSerializer
  let traffic: Traffic
  /// The number of idle connections, for readers on other threads.
  private let idleCount: Gauge
  let addressBook: AddressBook
  /// The addresses that the upstream's name has now, where they have changed; else nil.
  private var listed: [SocketAddress]?
  /// Counts the changes of `listed`.
  private var listing = 0
  /// The idle connections. The last one returned is checked out first, so that the rest can grow old and close.
  private var idle: [UpstreamConnection] = []
  /// The connections returned in this turn of the loop. Events that the kernel has for them have not been handled yet, so they
  /// are checked out last.
  private var justReturned: [UpstreamConnection] = []
  private var turn = 0
  private var isClosed = false
  /// Asks the pools of the other loops to close an idle connection.
  var closeIdleElsewhere: () -> Void = {}

  /// The longest time that a connection is idle, in nanoseconds.
  private static let idleTimeout: Int64 = 60_000_000_000

  init(
    loop: EventLoop, options: UpstreamOptions, requests: any PermitPool, connections: any PermitPool,
    serializer: RequestSerializer, addressBook: AddressBook = AddressBook(), traffic: Traffic = Traffic(),
    idleCount: Gauge = Gauge()
  ) {
    self.loop = loop
    self.options = options
    timeouts = UpstreamTimeouts(options)
    self.requests = requests
    self.connections = connections
    self.serializer = serializer
    self.addressBook = addressBook
    self.traffic = traffic
    self.idleCount = idleCount
  }

  /// Checks out an idle connection; nil when there is none.
  func checkOut() -> UpstreamConnection? {
    noteTurn()
    guard let connection = idle.popLast() ?? justReturned.popLast() else { return nil }
    publishIdleCount()
    connection.deadline = nil
    return connection
  }

  private func publishIdleCount() { idleCount.set(idle.count + justReturned.count) }

  private func noteTurn() {
    guard turn != loop.turns else { return }
    turn = loop.turns
    idle.append(contentsOf: justReturned)
    justReturned.removeAll(keepingCapacity: true)
  }

  /// Opens a connection as soon as there is a permit for it.
  func open(
    to addresses: [SocketAddress], _ priority: Priority, deadline: Instant
  ) async -> Result<UpstreamConnection, UpstreamFailure> {
    if !connections.tryAcquire(priority) {
      // Idle connections hold permits that this request can have, here or on another loop.
      checkOut()?.close()
      switch await connections.acquire(
        priority, on: loop, until: deadline, bound: .max, whenWaiting: closeIdleElsewhere)
      {
      case .granted: break
      case .cancelled: return .failure(.callerLeft)
      case .timedOut, .full:
        return .failure(.noConnectionFree)
      }
    }
    return await ConnectionRace(to: addresses, pool: self, deadline: deadline).run()
  }

  /// Takes back a connection that can be used again.
  func returned(_ connection: UpstreamConnection) {
    // A request that waits for a connection's permit comes before an idle connection.
    guard !isClosed, connections.waiters == 0, connection.listing == listing || isListed(connection) else {
      return connection.close()
    }
    connection.deadline = loop.now.advanced(byNanoseconds: Self.idleTimeout)
    noteTurn()
    justReturned.append(connection)
    publishIdleCount()
  }

  /// Forgets a connection that has closed, and returns its permit.
  func closed(_ connection: UpstreamConnection) {
    if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    if let index = justReturned.lastIndex(where: { $0 === connection }) { justReturned.remove(at: index) }
    publishIdleCount()
    if connection.holdsPermit { connections.release(.values) }
  }

  /// Closes the connections to addresses that the upstream's name no longer has: an idle one now, one in use when it is returned.
  func keepOnly(_ addresses: [SocketAddress]) {
    listed = addresses
    listing += 1
    for connection in idle + justReturned where !isListed(connection) { connection.close() }
  }

  private func isListed(_ connection: UpstreamConnection) -> Bool {
    guard listed?.contains(connection.address) ?? true else { return false }
    connection.listing = listing
    return true
  }

  /// Closes the oldest idle connection, so that another loop can open one.
  func closeIdle() {
    noteTurn()
    (idle.first ?? justReturned.first)?.close()
  }

  /// Closes the idle connections; the rest close when their exchange ends. No further requests come.
  func shutdown() {
    isClosed = true
    // Breaks the cycle between the pools of the loops.
    closeIdleElsewhere = {}
    let all = idle + justReturned
    idle = []
    justReturned = []
    publishIdleCount()
    for connection in all { connection.close() }
  }
}
