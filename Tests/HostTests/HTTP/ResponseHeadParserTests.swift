import Testing

@testable import Host

private func response(_ fields: String = "", _ line: String = "HTTP/1.1 200 OK") -> String {
  "\(line)\r\n\(fields)\r\n"
}

struct ResponseHeadParserTests {
  @Test(arguments: Pieces.allCases)
  func `a complete head yields its end-to-end fields, without credentials and gateway fields`(pieces: Pieces) {
    let text = response(
      "Server: x\r\nContent-Type:application/json\r\nConnection: close, X-Hop ,\tx-too\r\n"
        + "x-hop: 1\r\nX-TOO: 2\r\nX-Hops: 3\r\n"
        + "Keep-Alive: timeout=5\r\nProxy-Authenticate: a\r\nproxy-connection: b\r\n"
        + "Proxy-X: c\r\nTE: d\r\nTrailer: e\r\n"
        + "Upgrade: f\r\nContent-Length: 2\r\nAuthorization: g\r\nToken: h\r\nappId: i\r\n"
        + "Set-Cookie: j\r\nset-cookie2: k\r\n"
        + "WWW-Authenticate: l\r\nAuthentication-Info: m\r\nX-Gateway-Source: live\r\nX-REQUEST-ID: n\r\nAge: 3\r\n"
        + "X-Token: o\r\nTokens: p\r\nDate: \t today \t\r\nContent-Encoding: identity\r\n"
        + "X-Empty:\r\nX-Text: \u{e4}  b\r\n"
    )
    let head = parseResponse(text, pieces)
    #expect(head.outcome == .complete)
    #expect(head.status == 200)
    #expect(head.consumed == text.utf8.count)
    #expect(head.contentLength == 2)
    #expect(head.flags == [false, false, false, false])
    #expect(
      head.fields
        == "Server: x\r\nContent-Type: application/json\r\nX-Hops: 3\r\nAge: 3\r\n"
        + "X-Token: o\r\nTokens: p\r\nDate: today\r\n"
        + "Content-Encoding: identity\r\nX-Empty: \r\nX-Text: \u{e4}  b\r\n")
  }

  @Test func `fields are appended to those that are there`() {
    var parser = ResponseHeadParser()
    var head = ResponseHead()
    var fields = Array("A: b\r\n".utf8)
    let bytes = Array(response("C: d\r\n").utf8)
    let outcome = bytes.withUnsafeBufferPointer {
      parser.parse(
        $0.baseAddress!, count: $0.count, maxHead: 100, without: FieldNames([]), into: &head, fields: &fields)
    }
    #expect(outcome == .complete)
    #expect(String(decoding: fields, as: UTF8.self) == "A: b\r\nC: d\r\n")
  }

  @Test func `framing and reuse follow from status line and fields`() {
    // Fields, status line; keep-alive, chunked, ends at close, length.
    let cases: [(String, String, Bool, Bool, Bool, Int)] = [
      ("Content-Length: 5\r\n", "HTTP/1.1 200 OK", true, false, false, 5),
      ("Content-Length: 5\r\n", "HTTP/1.0 200 OK", false, false, false, 5),
      ("Content-Length: 5\r\nConnection: keep-alive\r\n", "HTTP/1.0 200", true, false, false, 5),
      ("Content-Length: 5\r\nConnection: CLOSE\r\n", "HTTP/1.1 200", false, false, false, 5),
      ("Transfer-Encoding: Chunked\r\n", "HTTP/1.1 404 ", true, true, false, -1),
      ("", "HTTP/1.1 200 ", false, false, true, -1),
      ("Connection: keep-alive\r\n", "HTTP/1.1 200 ", false, false, true, -1),
      ("", "HTTP/1.1 204 No", true, false, false, -1),
      ("Content-Length: 0\r\n", "HTTP/1.1 204 No", true, false, false, 0),
      ("Content-Length: 9\r\n", "HTTP/1.1 304 Not", true, false, false, 9),
      ("", "HTTP/1.1 599 \u{e4} \t", false, false, true, -1),
    ]
    for (fields, line, keepAlive, chunked, endsAtClose, length) in cases {
      for pieces in Pieces.allCases {
        let head = parseResponse(response(fields, line), pieces)
        #expect(head.flags == [keepAlive, chunked, false, endsAtClose], "\(line) \(fields)")
        #expect(head.contentLength == length)
      }
    }
  }

  @Test func `isEncoded is true for encodings other than identity`() {
    for (value, isEncoded) in [("gzip", true), ("identity, br", true), ("IDENTITY", false), ("", false)] {
      #expect(parseResponse(response("Content-Encoding: \(value)\r\n")).flags[2] == isEncoded, "\(value)")
    }
  }

  @Test func `interim heads are reported one by one, without fields`() {
    let text = response("Link: x\r\n", "HTTP/1.1 103 Early Hints") + response("Content-Length: 0\r\n")
    let first = parseResponse(text)
    #expect(first.status == 103)
    #expect(first.fields.isEmpty)
    #expect(parseResponse(String(text.dropFirst(0).utf8.dropFirst(first.consumed))!).status == 200)
  }

  static let refused: [(String, String)] = [
    ("no HTTP", "SSH-2.0\r\n"), ("another version", response("", "HTTP/2.0 200 OK")),
    ("HTTP/0.9", response("", "HTTP/0.9 200")),
    ("lower case", response("", "http/1.1 200")), ("empty line first", "\r\n" + response()),
    ("no status", response("", "HTTP/1.1")),
    ("status of two digits", response("", "HTTP/1.1 20")), ("status of four digits", response("", "HTTP/1.1 2000")),
    ("status below 100", response("", "HTTP/1.1 099 x")), ("status above 599", response("", "HTTP/1.1 600 x")),
    ("two spaces", response("", "HTTP/1.1  200")), ("letters", response("", "HTTP/1.1 2o0 x")),
    ("version x", response("", "HTTP/1.x 200")),
    ("no space after the version", response("", "HTTP/1.1200 OK")),
    ("101", response("Upgrade: x\r\n", "HTTP/1.1 101 x")),
    ("NUL in the reason", response("", "HTTP/1.1 200 a\0b")), ("bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"),
    ("bare LF in a field", response("A: b\nC: d\r\n")), ("bare CR", response("A: b\rc\r\n")),
    ("folding", response("A: b\r\n c\r\n")),
    ("NUL", response("A: \0\r\n")), ("space before the colon", response("Content-Length : 1\r\n")),
    ("no token", response("A(: b\r\n")),
    ("no colon", response("A\r\n")), ("two equal CL", response("Content-Length: 1\r\ncontent-length: 1\r\n")),
    ("two CL", response("Content-Length: 1\r\nContent-Length: 2\r\n")),
    ("CL list", response("Content-Length: 1, 1\r\n")),
    ("CL signed", response("Content-Length: -1\r\n")),
    ("CL too long", response("Content-Length: 9223372036854775808\r\n")),
    ("CL and TE", response("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
    ("TE and CL", response("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")),
    ("two TE", response("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
    ("gzip", response("Transfer-Encoding: gzip\r\n")),
    ("TE list", response("Transfer-Encoding: gzip, chunked\r\n")),
    ("TE in HTTP/1.0", response("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200")),
    ("204 with a body", response("Content-Length: 1\r\n", "HTTP/1.1 204 x")),
    ("204 with chunks", response("Transfer-Encoding: chunked\r\n", "HTTP/1.1 204 x")),
    ("100 with chunks", response("Transfer-Encoding: chunked\r\n", "HTTP/1.1 100 x")),
    ("17 names in Connection", response("Connection: \((1...17).map { "h\($0)" }.joined(separator: ","))\r\n")),
  ]

  @Test(arguments: Pieces.allCases)
  func `an ambiguous or malformed head is refused, whole and in pieces`(pieces: Pieces) {
    for (name, text) in Self.refused {
      let head = parseResponse(text, pieces)
      #expect(head.isRefused, "\(name): \(head.outcome)")
      #expect(head == parseResponse(text + response()), "\(name)")
    }
  }

  @Test(arguments: Pieces.allCases)
  func `a head at the limit is accepted, one byte more is refused`(pieces: Pieces) {
    let text = response("A: \(String(repeating: "b", count: 50))\r\n")
    let length = text.utf8.count
    #expect(parseResponse(text, pieces, maxHead: length).outcome == .complete)
    for short in [1, 2, 3, 4, length - 20, length] {
      #expect(parseResponse(text, pieces, maxHead: length - short).outcome == .failed(.headTooLarge), "\(short)")
    }
  }

  @Test func `sixteen fields that Connection names are dropped`() {
    let names = (1...16).map { "h\($0)" }
    let fields = names.map { "\($0.uppercased()): x\r\n" }.joined()
    let text = response("Connection: \(names.joined(separator: ", "))\r\n" + fields + "h17: y\r\n")
    #expect(parseResponse(text).fields == "h17: y\r\n")
  }
}
