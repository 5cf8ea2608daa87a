import AdapterAPI
import CLinux
import Glibc

extension UpstreamConnection {
  /// Opens a connection. The caller has taken a permit for it, which is returned when the connection closes, or fails to open.
  static func open(
    to address: SocketAddress, pool: UpstreamPool, deadline: Instant
  ) async -> Result<UpstreamConnection, Failure> {
    let loop = pool.loop
    let fd = socket(address.family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard fd >= 0 else {
      let detail = "socket: \(System.errorText(errno))"
      pool.connections.release(.values)
      return .failure(.unsent(.unreachable, detail))
    }
    var one: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let connection = UpstreamConnection(fd: fd, pool: pool)
    if let code = loop.add(connection, fd: fd) {
      let failure = Failure(
        kind: .unreachable, detail: "epoll_ctl: \(System.errorText(code))", requestLeft: false)
      connection.perform(connection.state.close())
      return .failure(failure)
    }
    let result = address.withPointer { connect(fd, $0, $1) }
    let code = result == 0 ? 0 : errno
    guard code == EINPROGRESS else {
      let action = connection.state.opened(code)
      connection.perform(action)
      if case .fail(let failure) = action { return .failure(failure) }
      return .success(connection)
    }
    connection.deadline = min(deadline, loop.now.advanced(byNanoseconds: pool.timeouts.connect))
    let bound = LoopBound(connection, on: loop)
    let failure = await withTaskCancellationHandler {
      await withUnsafeContinuation { connection.connectWaiter = $0 }
    } onCancel: {
      // Posted, so that the wait has begun even where the task was cancelled before.
      loop.post { bound.value.perform(bound.value.state.connectCancelled()) }
    }
    if let failure { return .failure(failure) }
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
