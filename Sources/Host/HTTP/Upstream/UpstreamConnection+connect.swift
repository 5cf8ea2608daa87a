import AdapterAPI
import CLinux
import Glibc

/// From an address to a connection that can be used.
extension UpstreamConnection {
  /// Connects. The caller has taken a place for it, which goes with the connection, or with the failure.
  static func open(
    to address: SocketAddress, pool: UpstreamPool, limits: Configuration.UpstreamLimits, loop: EventLoop,
    deadline: Instant
  ) async -> Result<UpstreamConnection, Failure> {
    let fd = socket(address.family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard fd >= 0 else {
      let detail = "socket: \(System.errorText(errno))"
      pool.connections.release(.values)
      return .failure(Failure(kind: .unreachable, detail: detail, requestLeft: false))
    }
    var one: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let connection = UpstreamConnection(fd: fd, pool: pool, limits: limits, loop: loop)
    loop.add(connection, fd: fd)
    let result = address.withPointer { connect(fd, $0, $1) }
    if result == 0 {
      connection.state = .idle
      return .success(connection)
    }
    guard errno == EINPROGRESS else {
      let detail = "connect: \(System.errorText(errno))"
      connection.close()
      return .failure(Failure(kind: .unreachable, detail: detail, requestLeft: false))
    }
    connection.deadline = min(deadline, loop.now.advanced(byNanoseconds: pool.timeouts.connect))
    let bound = LoopBound(connection, on: loop)
    let failure = await withTaskCancellationHandler {
      await withUnsafeContinuation { connection.connectWaiter = $0 }
    } onCancel: {
      // Posted, so that it comes after the wait has begun where the task was cancelled before.
      loop.post { bound.value.connectCancelled() }
    }
    if let failure { return .failure(failure) }
    return .success(connection)
  }

  private func connectCancelled() {
    guard state == .connecting else { return }
    fail(Failure(kind: .cancelled, detail: "the caller left", requestLeft: false))
  }

  func connected() {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(transport.fd, SOL_SOCKET, SO_ERROR, &code, &length)
    guard code == 0 else {
      return fail(Failure(kind: .unreachable, detail: "connect: \(System.errorText(code))", requestLeft: false))
    }
    state = .idle
    deadline = nil
    connectWaiter?.resume(returning: nil)
    connectWaiter = nil
  }
}
