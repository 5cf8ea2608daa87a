/// A message that a test has read from a socket.
struct TestMessage {
  let head: String
  var body: [UInt8] = []
  /// The body is complete.
  var isWhole = true

  var startLine: String { String(head.prefix { $0 != "\r\n" }) }
  var status: Int { Int(startLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }
  var text: String { String(decoding: body, as: UTF8.self) }

  /// A field's value.
  subscript(name: String) -> String? {
    for line in head.split(separator: "\r\n").dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, parts[0].lowercased() == name.lowercased() { return String(parts[1].drop { $0 == " " }) }
    }
    return nil
  }

  var keepsAlive: Bool { self["Connection"] != "close" }
}

extension TestSocket {
  /// Receives a request or response with a length or in chunks; nil when the peer ended before.
  func receiveMessage(hasBody: Bool = true) -> TestMessage? {
    guard let head = receiveHead() else { return nil }
    var message = TestMessage(head: head)
    if !hasBody { return message }
    if let length = message["Content-Length"].flatMap({ Int($0) }) {
      message.body = receive(length)
      message.isWhole = message.body.count == length
    } else if message["Transfer-Encoding"] == "chunked" {
      message.isWhole = receiveChunks(into: &message.body)
    }
    return message
  }

  private func receiveChunks(into body: inout [UInt8]) -> Bool {
    while true {
      var line: [UInt8] = []
      while !line.reversed().starts(with: [0x0A, 0x0D]) {
        let byte = receive(1)
        if byte.isEmpty { return false }
        line += byte
      }
      guard let size = Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16) else { return false }
      let chunk = receive(size)
      body += chunk
      guard chunk.count == size, receive(2) == [0x0D, 0x0A] else { return false }
      if size == 0 { return true }
    }
  }

  /// Sends a request and waits for its response.
  func ask(_ request: String) -> TestMessage? {
    send(request)
    return receiveMessage()
  }
}
