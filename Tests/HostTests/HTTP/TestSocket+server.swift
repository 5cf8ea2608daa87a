import Foundation
import TestSupport

@testable import Host

extension TestSocket {
  /// Listens on a free port of the loopback interface.
  static func listen() throws -> ListeningSocket { try ListeningSocket(host: "127.0.0.1", port: 0) }

  /// Connects; nil when nothing listens there.
  static func connect(to address: SocketAddress, receiveBuffer: Int32? = nil) -> TestSocket? {
    try? connect(port: address.port, receiveBuffer: receiveBuffer)
  }

  /// Returns both ends of a connection; the second is non-blocking.
  static func pair(receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil) throws -> (TestSocket, Int32) {
    let listener = try listening()
    let client = try connect(port: listener.port, receiveBuffer: receiveBuffer)
    let other = Glibc.accept(listener.fd, nil, nil)
    _ = fcntl(other, F_SETFL, O_NONBLOCK)
    if var sendBuffer {
      setsockopt(other, SOL_SOCKET, SO_SNDBUF, &sendBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    return (client, other)
  }

  /// Receives the next final response; nil when none comes, or not all of it.
  func receiveMessage(to method: String = "GET") -> TestMessage? { try? receiveResponse(to: method) }

  /// Sends a request and waits for its response.
  func ask(_ request: String) -> TestMessage? {
    send(request)
    return receiveMessage()
  }
}
