import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// A listening socket, bound once and registered with every loop that serves it.
///
/// One socket for all loops: with SO_REUSEPORT a second program could bind the same port without an error, and closing one of
/// several sockets would reset the connections that wait in it (docs/decisions/0001-engine.md).
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

  /// Connections that wait now are taken first (`Listener.drain`), else they would be reset.
  func close() { if isOpen.exchange(false, ordering: .relaxed) { System.close(fd) } }
  deinit { close() }
}

/// How many connections there are, over all loops, and whether the loops have stopped to accept because of it.
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
  func tryAdd() -> Bool {
    if open.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
    open.subtract(1, ordering: .relaxed)
    return false
  }
  func remove() { open.subtract(1, ordering: .relaxed) }

  /// Exchanges that go on although their connection has ended: writes that are followed to their end. A drain waits for them too.
  var abandoned: Int { orphans.load(ordering: .relaxed) }
  func exchangeAbandoned() { orphans.add(1, ordering: .relaxed) }
  func abandonedEnded() { orphans.subtract(1, ordering: .relaxed) }
}

/// One loop's share of a listening socket: accepts, and hands each connection to the loop's server.
final class Listener: LoopObject {
  private let socket: ListeningSocket
  private let server: ServerContext
  private let tasks: ExchangeTasks
  private var isListening = false

  /// Connections taken in one turn, so that those that are open get their turn too.
  private static let acceptsPerTurn = 64
  /// How long to leave new connections in the backlog when there is no place for them.
  private static let pause = Duration.milliseconds(50)

  init(_ socket: ListeningSocket, server: ServerContext, handler: any ExchangeHandler) {
    self.socket = socket
    self.server = server
    tasks = ExchangeTasks(loop: server.loop, handler: handler)
    super.init(loop: server.loop)
  }

  func start() {
    guard !isListening else { return }
    isListening = true
    loop.addListener(self, fd: socket.fd)
  }

  /// Stops accepting and takes what waits in the backlog already.
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
    for _ in 0..<limit {
      guard server.connections.tryAdd() else { return rest() }
      let fd = accept4(socket.fd, nil, nil, O_NONBLOCK | O_CLOEXEC)
      guard fd >= 0 else {
        let code = errno
        server.connections.remove()
        // Out of descriptors or memory: looking again at once would only turn in a circle.
        if code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM { return rest() }
        if code == ECONNABORTED || code == EINTR { continue }
        return
      }
      var one: Int32 = 1
      setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
      ServerConnection(fd: fd, server: server, tasks: tasks).start()
    }
  }

  /// Leaves the backlog alone for a moment.
  private func rest() {
    guard isListening else { return }
    isListening = false
    loop.remove(self, keepingOpen: socket.fd)
    loop.add(self)
    deadline = loop.now + Listener.pause
  }
}
