import Foundation
import TestSupport

/// A client connection to the gateway: sends any bytes, parses responses strictly, and notices the end.
final class RawConnection {
  enum Trouble: Error, Equatable {
    /// The connection ended before a response was complete.
    case closed
    case timeout
    /// The gateway sent bytes that are not an HTTP response.
    case malformed(String)
  }

  let socket: TestSocket
  private var buffer: [UInt8] = []
  private var start = 0
  private(set) var isAtEnd = false

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
  func receive(to method: String = "POST", within seconds: Double = 8) throws -> Response {
    let deadline = MonotonicTime.now + seconds
    var response = try receiveHead(deadline)
    response.body = try receiveBody(of: response, to: method, deadline)
    return response
  }

  /// Receives the head of the next final response, without its body.
  func receiveHead(within seconds: Double = 8) throws -> Response { try receiveHead(MonotonicTime.now + seconds) }

  /// Whether the gateway closes the connection within that time and sends nothing more.
  func isClosed(within seconds: Double = 1.5) -> Bool {
    let deadline = MonotonicTime.now + seconds
    while start == buffer.count, !isAtEnd {
      do { try more(deadline) } catch { return isAtEnd && start == buffer.count }
    }
    return start == buffer.count
  }

  /// Receives exactly that many bytes of a body and passes them on piece by piece.
  func receive(_ count: Int, within seconds: Double, _ piece: (ArraySlice<UInt8>) -> Void) throws {
    let deadline = MonotonicTime.now + seconds
    var left = count
    while left > 0 {
      if start == buffer.count { try more(deadline) }
      let take = min(left, buffer.count - start)
      piece(buffer[start..<start + take])
      start += take
      left -= take
    }
  }

  private func receiveHead(_ deadline: Double) throws -> Response {
    var interim: [Int] = []
    while true {
      var lines: [String] = []
      while true {
        let line = try self.line(deadline)
        if line.isEmpty { break }
        lines.append(line)
      }
      var response = try Response(head: lines)
      if (100..<200).contains(response.status) {
        interim.append(response.status)
        continue
      }
      response.interim = interim
      return response
    }
  }

  private func receiveBody(of response: Response, to method: String, _ deadline: Double) throws -> [UInt8] {
    if method == "HEAD" || response.status == 204 || response.status == 304 { return [] }
    if response["Transfer-Encoding"] != nil { return try receiveChunks(deadline) }
    if let length = response["Content-Length"] {
      guard let count = Int(length), count >= 0 else { throw Trouble.malformed("Content-Length \(length)") }
      return try exactly(count, deadline)
    }
    while !isAtEnd { do { try more(deadline) } catch Trouble.closed {} }
    return take(buffer.count - start)
  }

  private func receiveChunks(_ deadline: Double) throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let line = try self.line(deadline)
      guard let size = Int(line, radix: 16), size >= 0 else { throw Trouble.malformed("chunk size '\(line)'") }
      if size == 0 {
        guard try self.line(deadline).isEmpty else { throw Trouble.malformed("trailers") }
        return body
      }
      body += try exactly(size, deadline)
      guard try self.line(deadline).isEmpty else { throw Trouble.malformed("a chunk longer than its size") }
    }
  }

  private func exactly(_ count: Int, _ deadline: Double) throws -> [UInt8] {
    while buffer.count - start < count { try more(deadline) }
    return take(count)
  }

  /// Receives a line and returns it without its CRLF. A bare CR or LF is an error.
  private func line(_ deadline: Double) throws -> String {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        guard end > start, buffer[end - 1] == 0x0D else { throw Trouble.malformed("a bare LF") }
        let bytes = take(end + 1 - start).dropLast(2)
        guard !bytes.contains(0x0D), !bytes.contains(0) else { throw Trouble.malformed("CR or NUL in a line") }
        return String(decoding: bytes, as: UTF8.self)
      }
      let seen = buffer.count - start
      try more(deadline)
      searched = start + seen
    }
  }

  private func take(_ count: Int) -> [UInt8] {
    let bytes = Array(buffer[start..<start + count])
    start += count
    return bytes
  }

  /// Waits for further bytes.
  private func more(_ deadline: Double) throws {
    if isAtEnd { throw Trouble.closed }
    if start > 0 {
      buffer.removeSubrange(..<start)
      start = 0
    }
    guard let bytes = socket.receive(until: deadline) else { throw Trouble.timeout }
    if bytes.isEmpty {
      isAtEnd = true
      throw Trouble.closed
    }
    buffer += bytes
  }
}

/// An HTTP response as it was on the wire.
struct Response {
  let status: Int
  let fields: [(name: String, value: String)]
  var interim: [Int] = []
  var body: [UInt8] = []

  /// The first value of a field; nil when it is missing.
  subscript(name: String) -> String? { all(name).first }

  func all(_ name: String) -> [String] {
    fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
  }

  var text: String { String(decoding: body, as: UTF8.self) }

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

  init(head lines: [String]) throws {
    guard let first = lines.first, let match = first.wholeMatch(of: /HTTP\/1\.[01] (\d{3}) ?.*/),
      let status = Int(match.1)
    else {
      throw RawConnection.Trouble.malformed("status line '\(lines.first ?? "")'")
    }
    self.status = status
    fields = try lines.dropFirst().map { line in
      guard let match = line.wholeMatch(of: /([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*/) else {
        throw RawConnection.Trouble.malformed("header line '\(line)'")
      }
      return (String(match.1), String(match.2))
    }
    let lengths = all("Content-Length").count
    if lengths > 1 || (lengths == 1 && !all("Transfer-Encoding").isEmpty) {
      throw RawConnection.Trouble.malformed("ambiguous framing")
    }
  }
}
