import Foundation

/// The reason why a message could not be read.
public enum MessageError: Error, Equatable {
  /// The connection ended before the message was complete.
  case closed
  /// The message was not complete at the deadline.
  case timeout
  /// The peer sent bytes that are not an HTTP/1.1 message.
  case malformed(String)
}

/// An HTTP/1.1 message as it was on the wire.
public struct TestMessage: Sendable {
  /// The request line or status line, and the field lines up to the empty line, which is included.
  public let head: String
  /// The status of a response; 0 for a request.
  public let status: Int
  public let fields: [(name: String, value: String)]
  /// The statuses of the interim responses before this response.
  public internal(set) var interim: [Int] = []
  public internal(set) var body: [UInt8] = []

  /// The request line or status line.
  public var startLine: String { String(head.prefix { $0 != "\r\n" }) }

  public var text: String { String(decoding: body, as: UTF8.self) }

  /// The first value of a field; nil when it is missing.
  public subscript(name: String) -> String? { all(name).first }

  /// The values of a field.
  public func all(_ name: String) -> [String] {
    fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
  }

  public var keepsAlive: Bool { self["Connection"] != "close" }

  init(response lines: [String]) throws {
    guard let match = lines.first?.wholeMatch(of: /HTTP\/1\.[01] (\d{3}) ?.*/), let status = Int(match.1) else {
      throw MessageError.malformed("status line '\(lines.first ?? "")'")
    }
    try self.init(lines, status: status)
  }

  init(request lines: [String]) throws {
    guard lines.first?.wholeMatch(of: /[A-Z]+ [^ ]+ HTTP\/1\.[01]/) != nil else {
      throw MessageError.malformed("request line '\(lines.first ?? "")'")
    }
    try self.init(lines, status: 0)
  }

  private init(_ lines: [String], status: Int) throws {
    head = Self.head(of: lines)
    self.status = status
    fields = try lines.dropFirst().map { line in
      guard let match = line.wholeMatch(of: /([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*/) else {
        throw MessageError.malformed("header line '\(line)'")
      }
      return (String(match.1), String(match.2))
    }
    let lengths = all("Content-Length").count
    if lengths > 1 || (lengths == 1 && !all("Transfer-Encoding").isEmpty) {
      throw MessageError.malformed("ambiguous framing")
    }
  }

  static func head(of lines: [String]) -> String { (lines + ["", ""]).joined(separator: "\r\n") }
}

/// The reader of messages. It is strict: what is not framed as RFC 9112 demands is an error.
extension TestSocket {
  /// Receives the next final response.
  ///
  /// - Parameter method: the method of the request. A response to HEAD has no body.
  /// - Throws: `MessageError`.
  public func receiveResponse(to method: String = "GET", within seconds: Double = patience) throws -> TestMessage {
    let deadline = MonotonicTime.now + seconds
    var response = try responseHead(until: deadline)
    if method != "HEAD", response.status != 204, response.status != 304 {
      response.body = try framedBody(of: response, until: deadline) ?? toTheEnd(until: deadline)
    }
    return response
  }

  /// Receives the head of the next final response, without its body.
  ///
  /// - Throws: `MessageError`.
  public func receiveResponseHead(within seconds: Double = patience) throws -> TestMessage {
    try responseHead(until: MonotonicTime.now + seconds)
  }

  /// Receives the next request.
  ///
  /// - Throws: `MessageError`.
  public func receiveRequest(until deadline: Double) throws -> TestMessage {
    var request = try TestMessage(request: lines(until: deadline))
    request.body = try framedBody(of: request, until: deadline) ?? []
    return request
  }

  /// Receives the lines up to an empty line, that line included; nil when the connection ends before.
  public func receiveHead() -> String? {
    (try? lines(until: MonotonicTime.now + Self.patience)).map { TestMessage.head(of: $0) }
  }

  private func responseHead(until deadline: Double) throws -> TestMessage {
    var interim: [Int] = []
    while true {
      var response = try TestMessage(response: lines(until: deadline))
      guard (100..<200).contains(response.status) else {
        response.interim = interim
        return response
      }
      interim.append(response.status)
    }
  }

  private func lines(until deadline: Double) throws -> [String] {
    var lines: [String] = []
    while true {
      let line = try self.line(until: deadline)
      if line.isEmpty { return lines }
      lines.append(line)
    }
  }

  /// Returns nil when the message has neither a length nor chunks.
  private func framedBody(of message: TestMessage, until deadline: Double) throws -> [UInt8]? {
    if let coding = message["Transfer-Encoding"] {
      guard coding == "chunked" else { throw MessageError.malformed("Transfer-Encoding \(coding)") }
      return try chunks(until: deadline)
    }
    guard let length = message["Content-Length"] else { return nil }
    guard let count = Int(length), count >= 0 else { throw MessageError.malformed("Content-Length \(length)") }
    return try exactly(count, until: deadline)
  }

  private func chunks(until deadline: Double) throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let line = try self.line(until: deadline)
      guard let size = Int(line, radix: 16), size >= 0 else { throw MessageError.malformed("chunk size '\(line)'") }
      if size == 0 {
        guard try self.line(until: deadline).isEmpty else { throw MessageError.malformed("trailers") }
        return body
      }
      body += try exactly(size, until: deadline)
      guard try self.line(until: deadline).isEmpty else { throw MessageError.malformed("a chunk longer than its size") }
    }
  }

  private func exactly(_ count: Int, until deadline: Double) throws -> [UInt8] {
    while rest.count < count { try more(until: deadline) }
    return take(count)
  }

  private func toTheEnd(until deadline: Double) throws -> [UInt8] {
    while true {
      switch fill(until: deadline) {
      case nil: continue
      case .finished: return take(rest.count)
      case .reset: throw MessageError.closed
      case .nothing: throw MessageError.timeout
      }
    }
  }

  /// Receives a line and returns it without its CRLF. A bare CR or LF is an error.
  private func line(until deadline: Double) throws -> String {
    var searched = 0
    while true {
      if let end = rest.dropFirst(searched).firstIndex(of: 0x0A) {
        let line = take(end + 1 - rest.startIndex)
        guard line.suffix(2).first == 0x0D, line.count > 1 else { throw MessageError.malformed("a bare LF") }
        let text = line.dropLast(2)
        guard !text.contains(0x0D), !text.contains(0) else { throw MessageError.malformed("CR or NUL in a line") }
        return String(decoding: text, as: UTF8.self)
      }
      searched = rest.count
      try more(until: deadline)
    }
  }
}
