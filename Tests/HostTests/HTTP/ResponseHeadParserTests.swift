import Testing

@testable import Host

private func answer(_ fields: String = "", _ line: String = "HTTP/1.1 200 OK") -> String { "\(line)\r\n\(fields)\r\n" }

@Suite("Response head parser")
struct ResponseHeadParserTests {
  @Test("copies the end-to-end fields and nothing else", arguments: Pieces.allCases)
  func copies(pieces: Pieces) {
    let text = answer(
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

  @Test("appends to what is there already")
  func appends() {
    var parser = ResponseHeadParser()
    var head = ResponseHead()
    var fields = Array("A: b\r\n".utf8)
    let bytes = Array(answer("C: d\r\n").utf8)
    let outcome = bytes.withUnsafeBufferPointer {
      parser.parse(
        $0.baseAddress!, count: $0.count, maxHead: 100, without: FieldNames([]), into: &head, fields: &fields)
    }
    #expect(outcome == .complete)
    #expect(String(decoding: fields, as: UTF8.self) == "A: b\r\nC: d\r\n")
  }

  @Test("framing and reuse as the fields say")
  func framing() {
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
        let head = parseResponse(answer(fields, line), pieces)
        #expect(head.flags == [keepAlive, chunked, false, endsAtClose], "\(line) \(fields)")
        #expect(head.contentLength == length)
      }
    }
  }

  @Test("an encoding other than identity is seen")
  func encoding() {
    for (value, isEncoded) in [("gzip", true), ("identity, br", true), ("IDENTITY", false), ("", false)] {
      #expect(parseResponse(answer("Content-Encoding: \(value)\r\n")).flags[2] == isEncoded, "\(value)")
    }
  }

  @Test("interim heads come one by one, without fields")
  func interim() {
    let text = answer("Link: x\r\n", "HTTP/1.1 103 Early Hints") + answer("Content-Length: 0\r\n")
    let first = parseResponse(text)
    #expect(first.status == 103)
    #expect(first.fields.isEmpty)
    #expect(parseResponse(String(text.dropFirst(0).utf8.dropFirst(first.consumed))!).status == 200)
  }

  static let refused: [(String, String)] = [
    ("no HTTP", "SSH-2.0\r\n"), ("another version", answer("", "HTTP/2.0 200 OK")),
    ("HTTP/0.9", answer("", "HTTP/0.9 200")),
    ("lower case", answer("", "http/1.1 200")), ("empty line first", "\r\n" + answer()),
    ("no status", answer("", "HTTP/1.1")),
    ("status of two digits", answer("", "HTTP/1.1 20")), ("status of four digits", answer("", "HTTP/1.1 2000")),
    ("status below 100", answer("", "HTTP/1.1 099 x")), ("status above 599", answer("", "HTTP/1.1 600 x")),
    ("two spaces", answer("", "HTTP/1.1  200")), ("letters", answer("", "HTTP/1.1 2o0 x")),
    ("version x", answer("", "HTTP/1.x 200")),
    ("no space after the version", answer("", "HTTP/1.1200 OK")), ("101", answer("Upgrade: x\r\n", "HTTP/1.1 101 x")),
    ("NUL in the reason", answer("", "HTTP/1.1 200 a\0b")), ("bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"),
    ("bare LF in a field", answer("A: b\nC: d\r\n")), ("bare CR", answer("A: b\rc\r\n")),
    ("folding", answer("A: b\r\n c\r\n")),
    ("NUL", answer("A: \0\r\n")), ("space before the colon", answer("Content-Length : 1\r\n")),
    ("no token", answer("A(: b\r\n")),
    ("no colon", answer("A\r\n")), ("two equal CL", answer("Content-Length: 1\r\ncontent-length: 1\r\n")),
    ("two CL", answer("Content-Length: 1\r\nContent-Length: 2\r\n")), ("CL list", answer("Content-Length: 1, 1\r\n")),
    ("CL signed", answer("Content-Length: -1\r\n")), ("CL too long", answer("Content-Length: 9223372036854775808\r\n")),
    ("CL and TE", answer("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
    ("TE and CL", answer("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")),
    ("two TE", answer("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
    ("gzip", answer("Transfer-Encoding: gzip\r\n")),
    ("TE list", answer("Transfer-Encoding: gzip, chunked\r\n")),
    ("TE in HTTP/1.0", answer("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200")),
    ("204 with a body", answer("Content-Length: 1\r\n", "HTTP/1.1 204 x")),
    ("204 with chunks", answer("Transfer-Encoding: chunked\r\n", "HTTP/1.1 204 x")),
    ("100 with chunks", answer("Transfer-Encoding: chunked\r\n", "HTTP/1.1 100 x")),
    ("17 names in Connection", answer("Connection: \((1...17).map { "h\($0)" }.joined(separator: ","))\r\n")),
  ]

  @Test("every way to be ambiguous, whole and in pieces", arguments: Pieces.allCases)
  func refuses(pieces: Pieces) {
    for (name, text) in Self.refused {
      let head = parseResponse(text, pieces)
      guard case .failed = head.outcome else {
        Issue.record("\(name) was not refused: \(head.outcome)")
        continue
      }
      #expect(head == parseResponse(text + answer()), "\(name)")
    }
  }

  @Test("a head at its limit passes, one byte more does not", arguments: Pieces.allCases)
  func limit(pieces: Pieces) {
    let text = answer("A: \(String(repeating: "b", count: 50))\r\n")
    let length = text.utf8.count
    #expect(parseResponse(text, pieces, maxHead: length).outcome == .complete)
    for short in [1, 2, 3, 4, length - 20, length] {
      #expect(parseResponse(text, pieces, maxHead: length - short).outcome == .failed(.headTooLarge), "\(short)")
    }
  }

  @Test("sixteen names in Connection are still taken out")
  func manyNames() {
    let names = (1...16).map { "h\($0)" }
    let fields = names.map { "\($0.uppercased()): x\r\n" }.joined()
    let text = answer("Connection: \(names.joined(separator: ", "))\r\n" + fields + "h17: y\r\n")
    #expect(parseResponse(text).fields == "h17: y\r\n")
  }
}
