import AdapterAPI
import Testing

@testable import Host

struct ResponseReaderTests {
  /// The result of reading a response: the last step, the body, and whether the connection may be used again.
  struct Outcome: Equatable {
    var step: ResponseReader.Step
    var status = 0
    var body: [UInt8] = []
    var reusable = false
  }

  static func read(_ text: String, pieces size: Int, maxHead: Int = 4096, maxBody: Int = 0, ends: Bool = false)
    -> Outcome
  {
    var reader = ResponseReader(maxHead: maxHead, maxBody: maxBody)
    let bytes = Array(text.utf8)
    var step = ResponseReader.Step.needMore
    var body: [UInt8] = []
    var start = 0
    while start < bytes.count, step == .needMore {
      let end = min(start + size, bytes.count)
      step = bytes[start..<end].withUnsafeBufferPointer { reader.feed($0.baseAddress!, $0.count) }
      body += reader.takeBody()
      start = end
    }
    if ends, step == .needMore { step = reader.end() }
    if case .failed = step { return Outcome(step: step) }
    return Outcome(step: step, status: reader.head.status, body: body, reusable: reader.allowsReuse)
  }

  static let whole: [(name: String, text: String, body: String, reusable: Bool)] = [
    ("counted", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true),
    ("empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
    ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello", true),
    (
      "trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "hello",
      true
    ),
    (
      "interim",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
      "x", true
    ),
    ("no content", "HTTP/1.1 204 No Content\r\n\r\n", "", true),
    ("not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", true),
    ("closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "x", false),
    ("old version", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", false),
  ]

  @Test(arguments: whole.indices)
  func `a response reads the same whole and in pieces`(_ index: Int) {
    let one = Self.whole[index]
    for size in [1, 2, 7, .max / 2] {
      let got = Self.read(one.text, pieces: size)
      #expect(got.step == .complete, "\(one.name) in pieces of \(size)")
      #expect(got.body == Array(one.body.utf8), "\(one.name) in pieces of \(size)")
      #expect(got.reusable == one.reusable, "\(one.name) in pieces of \(size)")
    }
  }

  @Test(arguments: whole.indices)
  func `bytes behind a response forbid another request`(_ index: Int) {
    let one = Self.whole[index]
    let got = Self.read(one.text + "HTTP/1.1 200 OK\r\n", pieces: .max / 2)
    #expect(got.step == .complete)
    #expect(got.body == Array(one.body.utf8))
    #expect(!got.reusable)
  }

  @Test func `a body without a length ends with the connection`() {
    for size in [1, 1000] {
      let got = Self.read("HTTP/1.1 200 OK\r\n\r\nhello", pieces: size, ends: true)
      #expect(got == Outcome(step: .complete, status: 200, body: Array("hello".utf8), reusable: false))
    }
  }

  static let refusals: [(String, String)] = [
    ("cut head", "HTTP/1.1 200 OK\r\nContent-Le"),
    ("cut body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
    ("cut chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    ("no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("both framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ("garbage", "\u{1}\u{2}garbage\r\n\r\n"),
    ("upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    ("nothing", ""),
  ]

  @Test(arguments: refusals.indices)
  func `a response that is cut off or ambiguous fails`(_ index: Int) {
    for size in [1, 3, 10_000] {
      let got = Self.read(Self.refusals[index].1, pieces: size, ends: true)
      #expect(got.step.failure != nil, "\(Self.refusals[index].0) in pieces of \(size): \(got)")
    }
  }

  @Test func `more than eight interim responses fail`() {
    let flood = String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 9)
    #expect(Self.read(flood, pieces: 1).step.failure != nil)
    #expect(Self.read(String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 8), pieces: 1).step == .needMore)
  }

  @Test func `a body over the limit fails, one at the limit does not`() {
    let heads = [
      "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ]
    for head in heads {
      #expect(Self.read("HTTP/1.1 200 OK\r\n" + head, pieces: 2, maxBody: 5).step == .complete)
      let refused = Self.read("HTTP/1.1 200 OK\r\n" + head, pieces: 2, maxBody: 4).step
      #expect(refused.failure?.contains("max_response_body") == true, "\(head)")
    }
    // Refused by its announced length, before a byte of the body came.
    let early = Self.read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", pieces: 100, maxBody: 4)
    #expect(early.step.failure != nil)
  }

  /// Returns a reader that has taken a head with these fields, and some bytes of the body.
  private static func reader(_ fields: String, _ text: String = "", maxBody: Int = 0) -> ResponseReader {
    var reader = ResponseReader(maxHead: 4096, maxBody: maxBody)
    let bytes = Array("HTTP/1.1 200 OK\r\n\(fields)\r\n\(text)".utf8)
    _ = bytes.withUnsafeBufferPointer { reader.feed($0.baseAddress!, $0.count) }
    return reader
  }

  @Test func `unseenPayload counts payload up to the announced length, after the body was taken`() {
    var counted = Self.reader("Content-Length: 10\r\n", "abc")
    #expect(counted.unseenPayload == 0, "three bytes of the body were not taken")
    _ = counted.takeBody()
    #expect(counted.unseenPayload == 7)
    #expect(counted.passed(6) == .needMore)
    #expect(counted.unseenPayload == 1 && !counted.allowsReuse)
    #expect(counted.passed(1) == .complete)
    #expect(counted.unseenPayload == 0 && counted.allowsReuse)

    #expect(Self.reader("Transfer-Encoding: chunked\r\n").unseenPayload == 0)
    #expect(ResponseReader(maxHead: 4096, maxBody: 0).unseenPayload == 0)
    #expect(Self.reader("").unseenPayload == .max)
  }

  @Test func `payload that was passed on unseen counts for the limit`() {
    var endless = Self.reader("", maxBody: 10)
    #expect(endless.unseenPayload == 11)
    #expect(endless.passed(10) == .needMore)
    var atLimit = endless
    #expect(atLimit.end() == .complete)
    #expect(endless.passed(1).failure != nil)
  }

  @Test func `room is the size for a long body, and one byte more than a short body has`() {
    #expect(ResponseReader(maxHead: 4096, maxBody: 0).room(upTo: 100) == 0)
    #expect(Self.reader("Content-Length: 1000\r\n", "abc").room(upTo: 100) == 97)
    #expect(Self.reader("Content-Length: 100\r\n", "abc").room(upTo: 100) == 97)
    #expect(Self.reader("Content-Length: 99\r\n", "abc").room(upTo: 100) == 97)
    #expect(Self.reader("Content-Length: 50\r\n", "abc").room(upTo: 100) == 48)
    #expect(Self.reader("Content-Length: 3\r\n", "abc").room(upTo: 100) == 0)
    #expect(Self.reader("Content-Length: 1000\r\n", "abc").room(upTo: 3) == 0)
    #expect(Self.reader("Transfer-Encoding: chunked\r\n", "3\r\nabc").room(upTo: 100) == 0)
    #expect(Self.reader("", "abc").room(upTo: 100) == 0)
  }

  /// Reads the text into the body as far as there is room.
  private static func read(_ text: String?, into reader: inout ResponseReader) -> ResponseReader.Step {
    reader.readBody(reader.room(upTo: 100)) { space in
      guard let text else { return nil }
      let bytes = Array(text.utf8.prefix(space.count))
      space.copyBytes(from: bytes)
      return bytes.count
    }
  }

  @Test func `readBody takes the body and nothing behind it`() {
    var reader = Self.reader("Content-Length: 10\r\n", "abc")
    #expect(Self.read("def", into: &reader) == .needMore)
    #expect(Self.read(nil, into: &reader) == .needMore)
    #expect(reader.remaining == 4)
    #expect(Self.read("ghij", into: &reader) == .complete)
    #expect(reader.allowsReuse)
    #expect(reader.takeBody() == Array("abcdefghij".utf8))

    var followed = Self.reader("Content-Length: 10\r\n", "abc")
    #expect(Self.read("defghijHTTP/1.1 200 OK", into: &followed) == .complete)
    #expect(!followed.allowsReuse, "surplus bytes came")
    #expect(followed.takeBody() == Array("abcdefghij".utf8))
  }
}

extension ResponseReader.Step {
  fileprivate var failure: String? { if case .failed(let detail) = self { detail } else { nil } }
}
