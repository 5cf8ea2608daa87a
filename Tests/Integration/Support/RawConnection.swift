import Foundation
import TestSupport

/// A client connection to the gateway, which sends any bytes.
final class RawConnection {
  let socket: TestSocket

  init(port: UInt16, receiveBuffer: Int32? = nil) throws {
    socket = try TestSocket.connect(port: port, receiveBuffer: receiveBuffer)
  }

  /// Sends bytes. A failure is ignored: the gateway may have refused the request already, and its response tells.
  @discardableResult
  func send(_ bytes: [UInt8]) -> RawConnection {
    socket.send(bytes)
    return self
  }

  @discardableResult
  func send(_ text: String) -> RawConnection { send(Array(text.utf8)) }

  /// Receives the next final response.
  ///
  /// - Throws: `MessageError`.
  func receive(to method: String = "POST", within seconds: Double = 8) throws -> TestMessage {
    try socket.receiveResponse(to: method, within: seconds)
  }

  /// Receives the head of the next final response, without its body.
  ///
  /// - Throws: `MessageError`.
  func receiveHead(within seconds: Double = 8) throws -> TestMessage {
    try socket.receiveResponseHead(within: seconds)
  }

  /// Receives exactly that many bytes of a body and passes them on piece by piece.
  ///
  /// - Throws: `MessageError`.
  func receive(_ count: Int, within seconds: Double, _ piece: (ArraySlice<UInt8>) -> Void) throws {
    try socket.receive(count, within: seconds, piece)
  }

  /// Whether the gateway closes the connection within that time and sends nothing more.
  func isClosed(within seconds: Double = 1.5) -> Bool {
    socket.isReadable(within: Int32(seconds * 1000)) && socket.hasEnd
  }
}

/// Parts of the responses that the gateway makes.
extension TestMessage {
  var json: [String: Any]? { (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] }

  /// The code in an error body of the gateway.
  var errorCode: String? { json?["code"] as? String }

  /// The status, with the code of an error body: "200", "503 overloaded".
  var outcome: String { errorCode.map { "\(status) \($0)" } ?? "\(status)" }

  /// `X-Gateway-Source`, with the age of a cached response: "live", "cache 0".
  var source: String {
    let source = self["X-Gateway-Source"] ?? "none"
    return self["Age"].map { "\(source) \($0)" } ?? source
  }
}
