import AdapterAPI
import Glibc
import TestSupport

@testable import Host

/// A listener whose backlog is full: it accepts no more connections and refuses none, like a host that is switched off.
final class SilentListener: Sendable {
  let address: SocketAddress
  private let fd: Int32
  private let fillers: [TestSocket]

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    fd = listener
    guard let any = SocketAddress(numeric: "127.0.0.1", port: 0), any.withPointer({ bind(listener, $0, $1) }) == 0,
      listen(listener, 0) == 0, let address = SocketAddress(of: listener, getsockname)
    else { throw NotInTime("a listener") }
    self.address = address
    fillers = (0..<4).map { _ in
      let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0)
      _ = address.withPointer { connect(fd, $0, $1) }
      return TestSocket(fd: fd)
    }
  }

  deinit { close(fd) }

  var url: BaseURL { BaseURL(isTLS: false, host: "127.0.0.1", port: address.port, path: "") }
}
