import AdapterAPI
import CLinux
import Glibc

extension UpstreamConnection {
  /// Begins to open a connection, for which `race` holds the permit.
  ///
  /// - Returns: A connection that is open, or is being opened: `race` then learns the outcome.
  static func connect(
    to address: SocketAddress, for race: ConnectionRace, pool: UpstreamPool, deadline: Instant
  ) -> Result<UpstreamConnection, Failure> {
    let loop = pool.loop
    let fd = socket(address.family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard fd >= 0 else { return .failure(.unsent(.unreachable, "socket: \(System.errorText(errno))")) }
    var one: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let connection = UpstreamConnection(fd: fd, address: address, pool: pool)
    if let code = loop.add(connection, fd: fd) {
      connection.perform(connection.state.close())
      return .failure(.unsent(.unreachable, "epoll_ctl: \(System.errorText(code))"))
    }
    let result = address.withPointer { Glibc.connect(fd, $0, $1) }
    let code = result == 0 ? 0 : errno
    guard code != EINPROGRESS else {
      connection.race = race
      connection.deadline = min(deadline, loop.now.advanced(byNanoseconds: pool.timeouts.connect))
      return .success(connection)
    }
    let action = connection.state.opened(code)
    connection.perform(action)
    if case .fail(let failure) = action { return .failure(failure) }
    return .success(connection)
  }

  /// The outcome of a connection attempt: 0 or an `errno`.
  func connectError() -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(transport.fd, SOL_SOCKET, SO_ERROR, &code, &length)
    return code
  }
}
