import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// A listening socket, bound once and registered with every loop that serves it.
///
/// One socket for all loops: with SO_REUSEPORT a second program could bind the same port without an error, and closing one of
/// several sockets would reset the connections in its backlog (docs/decisions/0001-engine.md).
final class ListeningSocket: Sendable {
  struct BindError: Error { var message: String }

  let fd: Int32
  let address: SocketAddress
  private let isOpen = Atomic<Bool>(true)

  /// Binds and listens.
  ///
  /// - Parameter host: Numeric, IPv4 or IPv6 without brackets.
  /// - Parameter port: 0 takes a free one.
  init(host: String, port: UInt16) throws(BindError) {
    guard let address = SocketAddress(numeric: host, port: port) else {
      throw BindError(message: "'\(host)' is not a numeric address.")
    }
    let fd = socket(address.family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard fd >= 0 else { throw BindError(message: "No socket for \(address): \(System.errorText(errno)).") }
    var one: Int32 = 1
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    guard address.withPointer({ bind(fd, $0, $1) }) == 0, listen(fd, 4096) == 0 else {
      let code = errno
      System.close(fd)
      let remedy = code == EADDRINUSE ? " Another program listens there; stop it, or choose another port." : ""
      throw BindError(message: "Can't listen on \(address): \(System.errorText(code)).\(remedy)")
    }
    self.fd = fd
    self.address = SocketAddress(of: fd, getsockname) ?? address
  }

  /// Closes the socket, which resets the connections in its backlog: stop the listeners first (`Listener.stop`).
  func close() { if isOpen.exchange(false, ordering: .relaxed) { System.close(fd) } }
  deinit { close() }
}

/// The number of connections over all loops, and its limit. Safe on any thread.
final class ConnectionCount: Sendable {
  private let bound: Atomic<Int>
  private let open = Atomic<Int>(0)
  private let orphans = Atomic<Int>(0)
  init(limit: Int) { bound = Atomic(limit) }

  var limit: Int {
    get { bound.load(ordering: .relaxed) }
    set { bound.store(newValue, ordering: .relaxed) }
  }

  var current: Int { open.load(ordering: .relaxed) }
  /// Counts one more connection; false, without counting it, at the limit.
  func tryAdd() -> Bool {
    if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
    open.subtract(1, ordering: .relaxed)
    return false
  }
  func remove() { open.subtract(1, ordering: .relaxed) }

  /// The exchanges that continue after their connection has ended, as writes do. A drain waits for them too.
  var abandoned: Int { orphans.load(ordering: .relaxed) }
  func exchangeAbandoned() { orphans.add(1, ordering: .relaxed) }
  func abandonedEnded() { orphans.subtract(1, ordering: .relaxed) }
}

/// One loop's share of a listening socket: accepts connections for the loop's server. On the loop's thread.
final class Listener: LoopObject {
  private let socket: ListeningSocket
  private let tasks: ExchangeTasks
  private var isListening = false
  /// The time from which a failure to accept is reported again.
  private var reportsAgainAt = Instant(nanoseconds: .min)

  /// The number of connections accepted in one turn, so that open connections get their turn too.
  private static let acceptsPerTurn = 64
  /// The time for which new connections stay in the backlog when there is no room for them.
  private static let pause = Duration.milliseconds(50)
  /// The time between two reports that connections can't be accepted.
  private static let reportInterval = Duration.seconds(10)

  init(_ socket: ListeningSocket, server: ServerContext, handler: any ExchangeHandler) {
    self.socket = socket
    tasks = ExchangeTasks(server: server, handler: handler)
    super.init(loop: server.loop)
  }

  /// Starts to accept connections. Tries again after a pause where the kernel refuses to watch the socket.
  func start() {
    guard !isListening else { return }
    if let code = loop.addListener(self, fd: socket.fd) {
      tasks.server.report("epoll_ctl: \(System.errorText(code))")
      return retryLater()
    }
    isListening = true
  }

  /// Stops accepting, after accepting the connections in the backlog.
  func stop() {
    if isListening { accept(upTo: .max) }
    loop.remove(self, keepingOpen: socket.fd)
    isListening = false
    deadline = nil
  }

  override func handle(events: UInt32) { accept(upTo: Listener.acceptsPerTurn) }

  override func deadlineReached() {
    loop.remove(self)
    start()
  }

  private func accept(upTo limit: Int) {
    let connections = tasks.server.connections
    for _ in 0..<limit {
      guard connections.tryAdd() else { return leaveBacklog() }
      let fd = accept4(socket.fd, nil, nil, O_NONBLOCK | O_CLOEXEC)
      guard fd >= 0 else {
        let code = errno
        connections.remove()
        // Without descriptors or memory the next attempt would fail too.
        if code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM {
          report(code)
          return leaveBacklog()
        }
        if code == ECONNABORTED || code == EINTR { continue }
        return
      }
      var one: Int32 = 1
      setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
      ServerConnection(fd: fd, tasks: tasks).start()
    }
  }

  private func report(_ code: Int32) {
    guard loop.now >= reportsAgainAt else { return }
    reportsAgainAt = loop.now + Listener.reportInterval
    tasks.server.report("accept: \(System.errorText(code))")
  }

  /// Leaves new connections in the backlog for a moment.
  private func leaveBacklog() {
    guard isListening else { return }
    isListening = false
    loop.remove(self, keepingOpen: socket.fd)
    retryLater()
  }

  private func retryLater() {
    loop.add(self)
    deadline = loop.now + Listener.pause
  }
}
