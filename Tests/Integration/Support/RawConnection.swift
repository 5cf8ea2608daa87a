import Foundation
import TestSupport

/// One client connection to the gateway: sends any bytes, reads answers strictly, and notices the end.
final class RawConnection {
  enum Trouble: Error, Equatable {
    /// The connection ended before an answer was complete.
    case closed
    case timeout
    /// The gateway sent something that is no HTTP answer.
    case malformed(String)
  }

  let socket: TestSocket
  private var buffer: [UInt8] = []
  private var start = 0
  private(set) var isAtEnd = false

  init(port: UInt16, receiveBuffer: Int32? = nil) throws {
    socket = try TestSocket.connect(port: port, receiveBuffer: receiveBuffer)
  }

  /// What the gateway does not take (it may have refused already) is no failure: its answer says.
  @discardableResult
  func send(_ bytes: [UInt8]) -> RawConnection {
    socket.send(bytes)
    return self
  }

  @discardableResult
  func send(_ text: String) -> RawConnection { send(Array(text.utf8)) }

  /// The next final answer.
  func receive(to method: String = "POST", within seconds: Double = 8) throws -> Answer {
    let deadline = MonotonicTime.now + seconds
    var answer = try receiveHead(deadline)
    answer.body = try receiveBody(of: answer, to: method, deadline)
    return answer
  }

  /// The head of the next final answer; the body is still to be read.
  func receiveHead(within seconds: Double = 8) throws -> Answer { try receiveHead(MonotonicTime.now + seconds) }

  /// The gateway has closed within that time, and sent nothing more.
  func isClosed(within seconds: Double = 1.5) -> Bool {
    let deadline = MonotonicTime.now + seconds
    while start == buffer.count, !isAtEnd {
      do { try more(deadline) } catch { return isAtEnd && start == buffer.count }
    }
    return start == buffer.count
  }

  /// Reads exactly that many bytes of a body and hands them over piece by piece.
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

  private func receiveHead(_ deadline: Double) throws -> Answer {
    var interim: [Int] = []
    while true {
      var lines: [String] = []
      while true {
        let line = try self.line(deadline)
        if line.isEmpty { break }
        lines.append(line)
      }
      var answer = try Answer(head: lines)
      if (100..<200).contains(answer.status) {
        interim.append(answer.status)
        continue
      }
      answer.interim = interim
      return answer
    }
  }

  private func receiveBody(of answer: Answer, to method: String, _ deadline: Double) throws -> [UInt8] {
    if method == "HEAD" || answer.status == 204 || answer.status == 304 { return [] }
    if answer["Transfer-Encoding"] != nil { return try receiveChunks(deadline) }
    if let length = answer["Content-Length"] {
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

  /// A line without its CRLF. A bare CR or LF is an error.
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

  /// Waits for more bytes.
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

/// An HTTP answer as it stood on the wire.
struct Answer {
  let status: Int
  let fields: [(name: String, value: String)]
  var interim: [Int] = []
  var body: [UInt8] = []

  /// The value of a field that stands once; nil when it is missing.
  subscript(name: String) -> String? { all(name).first }

  func all(_ name: String) -> [String] {
    fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  var json: [String: Any]? { (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] }

  /// The word in an error body of the gateway.
  var errorCode: String? { json?["code"] as? String }

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
