import Testing

@testable import Host

@Suite struct BodyReaderTests {
  private func bodyReader(length: Int = -1, isChunked: Bool = false, limit: Int = .max) -> BodyReader {
    var head = RequestHead()
    head.contentLength = length
    head.isChunked = isChunked
    var reader = BodyReader(head)
    reader.limit = limit
    return reader
  }

  /// Feeds the bytes in pieces of that size; returns the number of bytes used.
  private func feed(_ bytes: [UInt8], pieces size: Int, into reader: inout BodyReader) -> Int {
    var used = 0
    var start = 0
    while start < bytes.count {
      let piece = bytes[start..<min(start + size, bytes.count)]
      let taken = withExactBytes(piece) { reader.feed($0, piece.count) }
      used += taken
      if taken < piece.count { break }
      start += piece.count
    }
    return used
  }

  private static let chunked = Array("5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nA: b\r\n\r\n".utf8)

  @Test(arguments: [1, 2, 3, 5, 1000])
  func `BodyReader takes exactly the length of a body, in any pieces`(_ size: Int) {
    var reader = bodyReader(length: 12, limit: 12)
    #expect(!reader.isTooLong && !reader.isComplete && !reader.hasBegun)
    #expect(feed(Array("hello, worldGET /".utf8), pieces: size, into: &reader) == 12)
    #expect(reader.isComplete && reader.fault == nil && reader.hasBegun)
    #expect(String(decoding: reader.take(), as: UTF8.self) == "hello, world")
    #expect(reader.take().isEmpty)
  }

  @Test(arguments: [1, 2, 3, 5, 1000])
  func `BodyReader takes exactly the bytes of a chunked body, in any pieces`(_ size: Int) {
    var reader = bodyReader(isChunked: true, limit: 12)
    #expect(
      feed(BodyReaderTests.chunked + Array("GET /".utf8), pieces: size, into: &reader) == BodyReaderTests.chunked.count)
    #expect(reader.isComplete)
    #expect(String(decoding: reader.take(), as: UTF8.self) == "hello, world")
  }

  @Test(arguments: [1, 2, 3, 5, 1000])
  func `BodyReader refuses a chunked body over the limit, and takes no more bytes`(_ size: Int) {
    var reader = bodyReader(isChunked: true, limit: 11)
    _ = feed(BodyReaderTests.chunked, pieces: size, into: &reader)
    #expect(reader.fault?.code == .bodyTooLarge && !reader.isComplete)
    #expect(reader.count <= 11)
    #expect(feed(Array("more".utf8), pieces: 4, into: &reader) == 0)
  }

  @Test func `BodyReader knows of a length over the limit before the first byte`() {
    #expect(bodyReader(length: 13, limit: 12).isTooLong)
    #expect(bodyReader(length: .max, limit: 1 << 20).isTooLong)
  }

  @Test func `BodyReader without a body is complete at once, and takes nothing`() {
    for length in [-1, 0] {
      var reader = bodyReader(length: length)
      #expect(reader.isComplete && !reader.isTooLong)
      #expect(feed(Array("GET".utf8), pieces: 3, into: &reader) == 0)
      #expect(!reader.hasBegun)
    }
  }

  @Test func `BodyReader takes no bytes after a refusal, and is not refused when complete`() {
    var reader = bodyReader(length: 4)
    reader.refuse(HTTPFault(.overloaded, "full"))
    reader.refuse(HTTPFault(.badRequest, "later"))
    #expect(reader.fault?.code == .overloaded)
    #expect(feed(Array("body".utf8), pieces: 4, into: &reader) == 0)
    var complete = bodyReader(length: 0)
    complete.refuse(HTTPFault(.overloaded, "full"))
    #expect(complete.fault == nil)
  }

  @Test(arguments: [1, 2, 3, 5, 1000])
  func `BodyReader finds the end of a body that is skipped, in any pieces, and stores nothing`(_ size: Int) {
    let next = Array("GET /".utf8)
    var counted = bodyReader(length: 12)
    counted.skip()
    #expect(feed(Array("hello, world".utf8) + next, pieces: size, into: &counted) == 12)
    var chunked = bodyReader(isChunked: true, limit: 3)
    chunked.skip()
    #expect(feed(BodyReaderTests.chunked + next, pieces: size, into: &chunked) == BodyReaderTests.chunked.count)
    for reader in [counted, chunked] { #expect(reader.isComplete && reader.fault == nil && reader.count == 0) }
  }

  @Test(arguments: 0..<12)
  func `BodyReader continues behind a refused chunk, when the rest is skipped`(_ limit: Int) {
    var reader = bodyReader(isChunked: true, limit: limit)
    let used = feed(BodyReaderTests.chunked, pieces: 1, into: &reader)
    #expect(reader.fault?.code == .bodyTooLarge && used < BodyReaderTests.chunked.count)
    reader.skip()
    _ = feed(Array(BodyReaderTests.chunked.dropFirst(used)), pieces: 1, into: &reader)
    #expect(reader.isComplete && reader.fault == nil && reader.count == 0)
  }

  @Test(arguments: ["5\r\nhellooo\r\n", "zz\r\n", "ffffffffffffffff\r\n0\r\n\r\n"])
  func `BodyReader takes no bytes of a malformed body that is skipped`(_ text: String) {
    var reader = bodyReader(isChunked: true)
    let used = feed(Array(text.utf8), pieces: 1000, into: &reader)
    #expect(reader.fault != nil)
    reader.skip()
    _ = feed(Array(text.utf8.dropFirst(used)), pieces: 1000, into: &reader)
    #expect(!reader.isComplete && reader.fault != nil)
  }
}
