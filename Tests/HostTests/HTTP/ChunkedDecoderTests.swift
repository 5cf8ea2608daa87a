import Testing

@testable import Host

@Suite struct ChunkedDecoderTests {
  /// Sizes of the pieces that a body comes in.
  private let pieces = [Int.max, 1, 2, 3, 7]

  @Test func `ChunkedDecoder finds the payload, and stops behind the message`() {
    let bodies: [(String, String)] = [
      ("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("1\r\na\r\n002\r\nbc\r\n00\r\n\r\n", "abc"),
      ("A\r\n0123456789\r\nf\r\n0\r\n\r\n0\r\n\r\n12345\r\n0\r\n\r\n", "01234567890\r\n\r\n0\r\n\r\n12345"),
      ("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc"),
      ("3;a\r\nabc\r\n0;b=c;d=\"e\\\"; \t\\\\f\"\r\n\r\n", "abc"), ("3; a = b\r\nabc\r\n0\r\n\r\n", "abc"),
      ("3\r\nabc\r\n0\r\nX-Sum: 1\r\nEmpty:\r\nContent-Lengths: \u{e4}\r\nHos: x\r\n\r\n", "abc"),
    ]
    for (wire, payload) in bodies {
      for piece in pieces {
        for next in ["", "GET / HTTP/1.1\r\n", "0\r\n\r\n"] {
          let decoded = decodeChunked(wire + next, piece: piece)
          #expect(decoded.end == .finished, "\(wire)")
          #expect(decoded.consumed == wire.utf8.count, "\(wire)")
          #expect(String(decoding: decoded.payload, as: UTF8.self) == payload)
        }
        for length in 0..<wire.utf8.count {
          #expect(
            decodeChunked(Array(wire.utf8.prefix(length)), piece: piece).end == .needMore, "\(wire) up to \(length)")
        }
      }
    }
  }

  static let refused: [(String, String, Int)] = [
    ("hexadecimal prefix", "0xf\r\n", 400), ("capital prefix", "0Xf\r\n", 400), ("plus", "+f\r\n", 400),
    ("minus", "-1\r\n", 400),
    ("underscore", "f_\r\n", 400), ("space before", " f\r\n", 400), ("space behind", "f \r\n", 400),
    ("tab behind", "f\t\r\n", 400), ("a digit behind a space", "1 2;a\r\n", 400),
    ("a letter behind a space", "1 a;b\r\n", 400), ("LF behind a space", "1 \n", 400),
    ("white space on a line of its own", "1\r\n ;a\r\n", 400),
    ("another character than SP or HTAB", "1\u{b};a\r\n", 400),
    ("empty", "\r\n", 400), ("two numbers", "f g\r\n", 400), ("fullwidth digit", "\u{ff16}\r\n", 400),
    ("only an extension", ";a\r\n", 400),
    ("letter", "g\r\n", 400), ("17 digits", "00000000000000001\r\n", 400), ("2^60 + 1", "1000000000000001\r\n", 413),
    ("2^64 - 1", "ffffffffffffffff\r\n", 413), ("bare LF", "f\n", 400), ("bare CR", "f\rx", 400),
    ("bare LF in an extension", "f;a\n", 400), ("bare CR in an extension", "f;a\rx", 400),
    ("CRLF in a quoted extension", "f;a=\"\r\nGET / HTTP/1.1\r\n\"\r\n", 400),
    ("LF in a quoted extension", "f;a=\"\n\"", 400),
    ("escaped CR", "f;a=\"\\\r\n", 400), ("NUL in an extension", "f;a=\0\r\n", 400),
    ("umlaut in an extension", "f;\u{e4}\r\n", 400),
    ("longer than its size", "1\r\nab\r\n", 400), ("LF behind the data", "1\r\na\n", 400),
    ("CR behind the data", "1\r\na\rx", 400),
    ("nothing behind the data", "1\r\na0\r\n\r\n", 400), ("LF at the end", "0\r\n\n", 400),
    ("CR at the end", "0\r\n\rx", 400),
    ("folded trailer", "0\r\nA: b\r\n c\r\n\r\n", 400), ("trailer without a colon", "0\r\nA\r\n\r\n", 400),
    ("trailer without a name", "0\r\n: b\r\n\r\n", 400),
    ("trailer with a space before the colon", "0\r\nA : b\r\n", 400),
    ("trailer with a bare LF", "0\r\nA: b\n\r\n", 400), ("trailer with a bare CR", "0\r\nA: b\rc\r\n", 400),
    ("trailer with NUL", "0\r\nA: \0\r\n", 400), ("trailer with DEL", "0\r\nA: \u{7f}\r\n", 400),
    ("Content-Length as a trailer", "0\r\nContent-Length: 5\r\n\r\n", 400),
    ("Transfer-Encoding as a trailer", "0\r\ntransfer-ENCODING: chunked\r\n\r\n", 400),
    ("Host as a trailer", "0\r\nA: b\r\nHOST: a\r\n", 400),
    ("Authorization as a trailer", "0\r\nAuthorization: a\r\n", 400),
    ("Trailer as a trailer", "0\r\nTrailer: a\r\n", 400),
    ("Content-Type as a trailer", "0\r\nContent-Type: a\r\n", 400),
    ("Connection as a trailer", "0\r\nConnection: a\r\n", 400),
    ("a request instead of a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", 400),
  ]

  @Test func `ChunkedDecoder refuses each ambiguous body, whole and in pieces`() {
    for (name, wire, status) in Self.refused {
      for piece in pieces {
        let decoded = decodeChunked(wire + "0\r\n\r\n", piece: piece)
        #expect(decoded.status == status, "\(name): \(decoded.end)")
        #expect(decoded == decodeChunked(wire + "0\r\n\r\n"), "\(name)")
      }
    }
  }

  @Test func `white space around the semicolon of a chunk extension is accepted`() {
    for head in ["3 ;a", "3\t;a", "3; a", "3 \t ; \ta", "3 ;a ;b", "3 ; a = b", "3 ;a=\"b ; c\"", "3 ;"] {
      for piece in pieces {
        let decoded = decodeChunked("\(head)\r\nabc\r\n0 ;end\r\n\r\n", piece: piece)
        #expect(decoded.end == .finished && decoded.payload == Array("abc".utf8), "\(head)")
      }
    }
  }

  @Test func `white space before chunk extensions counts towards their limit`() {
    let spaces = String(repeating: " ", count: ChunkedDecoder.maxExtensions - 1)
    #expect(decodeChunked("1\(spaces);\r\na\r\n0\r\n\r\n").end == .finished)
    #expect(decodeChunked("1\(spaces) ;\r\na\r\n0\r\n\r\n").status == 400)
  }

  @Test func `ChunkedDecoder takes the largest chunk size without a trap`() {
    let decoded = decodeChunked("1000000000000000\r\nab")
    #expect(decoded.end == .needMore)
    #expect(decoded.payload == Array("ab".utf8))
  }

  @Test func `ChunkedDecoder takes extensions up to the limit for all chunks, and refuses one byte more`() {
    let half = ";" + String(repeating: "a", count: ChunkedDecoder.maxExtensions / 2 - 1)
    #expect(decodeChunked("1\(half)\r\na\r\n0\(half)\r\n\r\n").end == .finished)
    #expect(decodeChunked("1\(half)\r\na\r\n0\(half)a\r\n\r\n").status == 400)
    #expect(decodeChunked("1;\"" + String(repeating: "a", count: ChunkedDecoder.maxExtensions)).status == 400)
  }

  @Test func `ChunkedDecoder takes trailers up to the limits, and refuses one more`() {
    let lines = ChunkedDecoder.maxTrailerLines
    #expect(decodeChunked("0\r\n\(String(repeating: "a: b\r\n", count: lines))\r\n").end == .finished)
    #expect(decodeChunked("0\r\n\(String(repeating: "a: b\r\n", count: lines + 1))\r\n").status == 431)
    let value = String(repeating: "b", count: ChunkedDecoder.maxTrailerSize - 5)
    #expect(decodeChunked("0\r\na:\(value)\r\n\r\n").end == .finished)
    #expect(decodeChunked("0\r\na:\(value)b\r\n\r\n").status == 431)
    #expect(decodeChunked("0\r\n" + String(repeating: "n", count: ChunkedDecoder.maxTrailerSize + 1)).status == 431)
  }

  @Test func `ChunkedDecoder, called after the end, stays at the end`() {
    var decoder = ChunkedDecoder()
    let bytes = Array("0\r\n\r\n5\r\n".utf8)
    bytes.withUnsafeBufferPointer {
      var offset = 0
      for _ in 0..<3 {
        #expect(decoder.step($0.baseAddress!, count: $0.count, offset: &offset) == .finished)
        #expect(offset == 5)
      }
    }
  }
}
