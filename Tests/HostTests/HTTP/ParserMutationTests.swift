import TestSupport
import Testing

@testable import Host

/// Parts that make a message ambiguous.
private let parts: [[UInt8]] = [
  "\r\n", "\r", "\n", "\0", " ", "\t", ":", ",", "\u{b}", "\r\n ", "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "chunked", "Host: x\r\n", "HTTP/1.0", "HTTP/1.1", "GET ", "0\r\n\r\n", "5;a=\"", "\u{e4}", "Connection: ", "close",
  "\r\n\r\n",
  "ffffffffffffffff",
].map { Array($0.utf8) }

private func mutated(_ seed: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
  var bytes = seed
  for _ in 0..<Int.random(in: 1...4, using: &random) {
    let at = Int.random(in: 0...bytes.count, using: &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: bytes.insert(contentsOf: parts.randomElement(using: &random) ?? [], at: at)
    case 1 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
    case 2 where at < bytes.count:
      bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...8, using: &random)))
    default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
    }
  }
  return bytes
}

/// Returns 400 random changes of the texts.
private func mutants(of texts: [String], seed: UInt64) -> [[UInt8]] {
  var random = SeededGenerator(seed: seed)
  return (0..<400).map { mutated(Array(texts[$0 % texts.count].utf8), &random) }
}

@Suite struct ParserMutationTests {
  private let requests = [
    requestText("POST /a?b HTTP/1.1", fields: "Authorization: Bearer x\r\nContent-Length: 5\r\nConnection: close\r\n"),
    requestText("POST http://gw/a HTTP/1.1", fields: "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"),
    requestText("GET / HTTP/1.0", fields: "X-A:  b \r\nAccept: */*\r\n"),
  ]

  @Test(arguments: 0..<8)
  func `mutated requests get the same verdict in all pieces, and never two framings`(seed: UInt64) {
    var taken = 0
    for bytes in mutants(of: requests, seed: seed) {
      let whole = parseRequest(bytes)
      #expect(whole == parseRequest(bytes, .byByte), "\(bytes)")
      guard whole.isComplete else { continue }
      taken += 1
      let head = String(decoding: bytes[0..<whole.consumed], as: UTF8.self).utf8.split(separator: 0x0A).map {
        String(decoding: $0, as: UTF8.self).lowercased()
      }
      let lengths = head.count { $0.hasPrefix("content-length") && $0.dropFirst(14).first == ":" }
      let codings = head.count { $0.hasPrefix("transfer-encoding") && $0.dropFirst(17).first == ":" }
      #expect(lengths + codings <= 1, "\(bytes)")
      #expect((whole.contentLength >= 0) == (lengths == 1))
      #expect(whole.flags[1] == (codings == 1))
      #expect(head.allSatisfy { $0.hasSuffix("\r") && !$0.dropLast().contains("\r") && !$0.contains("\0") }, "\(bytes)")
    }
    #expect(taken > 20, "too few mutants were requests")
  }

  @Test(arguments: 0..<8)
  func `mutated responses get the same verdict in all pieces, and whole field lines without withheld fields`(
    seed: UInt64
  ) {
    let seeds = [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nX-A:b\r\nConnection: x-a\r\n\r\n",
      "HTTP/1.0 404 Not Found\r\nServer: x\r\nToken: t\r\nDate: d\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
    ]
    var taken = 0
    for bytes in mutants(of: seeds, seed: seed) {
      let whole = parseResponse(bytes)
      #expect(whole == parseResponse(bytes, .byByte), "\(bytes)")
      guard whole.outcome == .complete else { continue }
      taken += 1
      for line in whole.fields.utf8.split(separator: 0x0A).map({ String(decoding: $0, as: UTF8.self).lowercased() }) {
        #expect(line.utf8.last == 0x0D && line.contains(": "), "\(bytes)")
        for withheld in ["content-length:", "transfer-encoding:", "connection:", "set-cookie:", "token:"] {
          #expect(!line.hasPrefix(withheld), "\(bytes)")
        }
      }
    }
    #expect(taken > 20, "too few mutants were responses")
  }

  @Test(arguments: 0..<8)
  func `mutated chunked bodies get the same verdict in all pieces, and no more payload than bytes`(seed: UInt64) {
    let seeds = ["5;a=\"b\"\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", "f\r\n0\r\n\r\n0\r\n\r\n12345\r\n0\r\n\r\n"]
    for bytes in mutants(of: seeds, seed: seed) {
      let whole = decodeChunked(bytes)
      for piece in [1, 3] { #expect(whole == decodeChunked(bytes, piece: piece), "\(bytes)") }
      #expect(whole.payload.count <= whole.consumed && whole.consumed <= bytes.count)
    }
  }

  /// A parser that starts again with each byte would read 5 * 10^11 bytes.
  @Test(.timeLimit(.minutes(1)), arguments: ["/", "X-A: ", "x"])
  func `a head of a megabyte that arrives byte by byte is read once`(place: String) {
    let size = 1 << 20
    let filler = [UInt8](repeating: UInt8(ascii: "a"), count: size)
    let text: [UInt8] =
      switch place {
      case "/": Array("GET /".utf8) + filler + Array(" HTTP/1.1\r\nHost: gw\r\n\r\n".utf8)
      case "x": Array("GET / HTTP/1.1\r\nHost: gw\r\n".utf8) + filler + Array(": y\r\n\r\n".utf8)
      default: Array("GET / HTTP/1.1\r\nHost: gw\r\nX-A: ".utf8) + filler + Array("\r\n\r\n".utf8)
      }
    var parser = RequestHeadParser()
    var head = RequestHead()
    let limits = HTTPLimits(maxRequestLine: 2 << 20, maxHeaderSize: 4 << 20)
    text.withUnsafeBufferPointer { bytes in
      for count in 1..<text.count {
        guard parser.parse(bytes.baseAddress!, count: count, limits: limits, into: &head) == .needMore else {
          Issue.record("a verdict at \(count) of \(text.count)")
          return
        }
      }
      #expect(parser.parse(bytes.baseAddress!, count: text.count, limits: limits, into: &head) == .complete)
    }
    #expect(head.headLength == text.count)
  }

  @Test func `the sets of characters agree with the RFCs`() {
    let alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    let token = Set((alphanumeric + "!#$%&'*+-.^_`|~").utf8)
    let host = Set((alphanumeric + "-._~%!$&'()*+;=").utf8)
    let target = Set(UInt8(33)...126).subtracting("\"<>\\^{|}`#".utf8)
    for byte in UInt8.min...255 {
      #expect(ByteSet.token.contains(byte) == token.contains(byte), "\(byte)")
      #expect(ByteSet.host.contains(byte) == host.contains(byte), "\(byte)")
      #expect(ByteSet.target.contains(byte) == target.contains(byte), "\(byte)")
    }
  }

  @Test func `the scans find the first byte of their kind at each place, beside each other byte`() {
    for length in 0...20 {
      for at in 0..<length {
        for byte in UInt8.min...255 {
          for other in [UInt8(0x09), UInt8(ascii: "a"), 0x80, 0xFF, 0x20] {
            var bytes = [UInt8](repeating: other, count: length)
            bytes[at] = byte
            let isControl: (UInt8) -> Bool = { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }
            let endsName: (UInt8) -> Bool = { $0 <= 0x20 || $0 == UInt8(ascii: ":") || $0 == 0x7F }
            let (control, name) = withExactBytes(bytes[...]) {
              (HeaderScan.control($0, from: 0, to: length), HeaderScan.nameEnd($0, from: 0, to: length))
            }
            if control != bytes.firstIndex(where: isControl) ?? length
              || name != bytes.firstIndex(where: endsName) ?? length
            {
              Issue.record("\(bytes): \(control), \(name)")
            }
          }
        }
      }
    }
  }
}
