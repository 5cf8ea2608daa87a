import Testing

@testable import Host

@Suite struct RequestHeadParserRefusalTests {
  /// Name, bytes, status.
  static let refused: [(String, String, Int)] = [
    // The request line.
    ("lower case version", requestText("GET / http/1.1"), 400), ("no version", requestText("GET /"), 400),
    ("HTTP/0.9 form", "GET /\r\n", 400), ("two spaces before the target", requestText("GET  / HTTP/1.1"), 400),
    ("two spaces before the version", requestText("GET /  HTTP/1.1"), 400),
    ("space at the end", requestText("GET / HTTP/1.1 "), 400),
    ("space at the start", requestText(" GET / HTTP/1.1"), 400),
    ("tab", requestText("GET\t/ HTTP/1.1"), 400), ("tab in the target", requestText("GET /a\tb HTTP/1.1"), 400),
    ("space in the target", requestText("GET /a b HTTP/1.1"), 400), ("no target", requestText("GET HTTP/1.1"), 400),
    ("empty target", requestText("GET  HTTP/1.1"), 400),
    ("version with three digits", requestText("GET / HTTP/1.10"), 400),
    ("version without a point", requestText("GET / HTTP/11"), 400),
    ("version with letters", requestText("GET / HTTP/1.x"), 400),
    ("method with a slash", requestText("G/T / HTTP/1.1"), 400),
    ("method of 33", requestText("\(String(repeating: "A", count: 33)) / HTTP/1.1"), 400),
    ("HTTP/2.0", requestText("GET / HTTP/2.0"), 505), ("HTTP/0.9", requestText("GET / HTTP/0.9"), 505),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), ("HTTP/3", requestText("GET / HTTP/3"), 400),
    ("CONNECT", requestText("CONNECT gw:443 HTTP/1.1"), 501), ("asterisk with GET", requestText("GET * HTTP/1.1"), 400),
    ("relative target", requestText("GET api/x HTTP/1.1"), 400),
    ("another scheme", requestText("GET ftp://gw/x HTTP/1.1"), 400),
    ("absolute target without a path", requestText("GET http://gw HTTP/1.1"), 400),
    ("absolute target without a path, with a query", requestText("GET http://gw?/x HTTP/1.1"), 400),
    ("absolute target without a host", requestText("GET http:///x HTTP/1.1"), 400),
    ("user in the target", requestText("GET http://a@gw/x HTTP/1.1"), 400),
    ("only a scheme", requestText("GET http: HTTP/1.1"), 400),
    ("backslash", requestText("GET /a\\b HTTP/1.1"), 400), ("fragment", requestText("GET /a#b HTTP/1.1"), 400),
    ("quotation mark", requestText("GET /\" HTTP/1.1"), 400), ("angle bracket", requestText("GET /<x> HTTP/1.1"), 400),
    ("umlaut", requestText("GET /\u{e4} HTTP/1.1"), 400), ("NUL in the target", requestText("GET /\0 HTTP/1.1"), 400),
    ("DEL in the target", requestText("GET /\u{7f} HTTP/1.1"), 400),
    // Line ends.
    ("bare LF after the request line", "GET / HTTP/1.1\nHost: gw\r\n\r\n", 400),
    ("bare LF first", "\nGET / HTTP/1.1\r\n", 400),
    ("bare LF after a field", "GET / HTTP/1.1\r\nHost: gw\n\r\n", 400),
    ("bare LF at the end", "GET / HTTP/1.1\r\nHost: gw\r\n\n", 400),
    ("bare CR in the request line", "GET / HTTP/1.1\rHost: gw\r\n\r\n", 400),
    ("bare CR first", "\rGET / HTTP/1.1\r\n", 400),
    ("bare CR in a value", requestText(fields: "X-A: b\rc\r\n"), 400),
    ("bare CR at the end", requestText().dropLast(1) + "\rX\r\n", 400),
    ("two CR", requestText(fields: "X-A: b\r\r\n"), 400),
    ("bare CR in a name", requestText(fields: "X\rA: b\r\n"), 400),
    // Fields.
    ("folded with a space", requestText(fields: "X-A: b\r\n c\r\n"), 400),
    ("folded with a tab", requestText(fields: "X-A: b\r\n\tc\r\n"), 400),
    ("white space before the first field", "GET / HTTP/1.1\r\n Host: gw\r\n\r\n", 400),
    ("folded transfer coding", requestText(fields: "Transfer-Encoding:\r\n chunked\r\n"), 400),
    ("space before the colon", requestText(fields: "Transfer-Encoding : chunked\r\n"), 400),
    ("tab before the colon", requestText(fields: "Transfer-Encoding\t: chunked\r\n"), 400),
    ("no colon", requestText(fields: "X-A\r\n"), 400), ("no name", requestText(fields: ": b\r\n"), 400),
    ("name with a bracket", requestText(fields: "X(A): b\r\n"), 400),
    ("umlaut in a name", requestText(fields: "X-\u{e4}: b\r\n"), 400),
    ("NUL in a name", requestText(fields: "X\0A: b\r\n"), 400),
    ("NUL in a value", requestText(fields: "X-A: b\0c\r\n"), 400),
    ("vertical tab in a value", requestText(fields: "Transfer-Encoding:\u{b}chunked\r\n"), 400),
    ("form feed in a value", requestText(fields: "X-A: \u{c}\r\n"), 400),
    ("DEL in a value", requestText(fields: "X-A: 12345678\u{7f}\r\n"), 400),
    // Host.
    ("no Host", requestText(host: nil), 400), ("two Hosts", requestText(fields: "Host: gw\r\n"), 400),
    ("two Hosts in HTTP/1.0", requestText("GET / HTTP/1.0", fields: "Host: gw\r\n"), 400),
    ("Host with a space", requestText(host: "Host: a b\r\n"), 400),
    ("Host with a slash", requestText(host: "Host: a/b\r\n"), 400),
    ("Host with a user", requestText(host: "Host: a@b\r\n"), 400),
    ("Host list", requestText(host: "Host: a,b\r\n"), 400),
    ("Host with a word as port", requestText(host: "Host: a:b\r\n"), 400),
    ("Host with two ports", requestText(host: "Host: a:1:2\r\n"), 400),
    ("unfinished IPv6 Host", requestText(host: "Host: [::1\r\n"), 400),
    ("Host [", requestText(host: "Host: [\r\n"), 400), ("Host []", requestText(host: "Host: []\r\n"), 400),
    ("IPv6 Host with a tail", requestText(host: "Host: [::1]x\r\n"), 400),
    // Framing.
    ("CL and TE", requestText(fields: "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n"), 400),
    ("TE and CL", requestText(fields: "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n"), 400),
    ("CL and tE", requestText(fields: "Content-Length: 15\r\ntRANSFER-eNCODING: ChUnKeD\r\n"), 400),
    ("CL 0 and TE", requestText(fields: "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400),
    ("two CL", requestText(fields: "Content-Length: 15\r\nContent-Length: 16\r\n"), 400),
    ("two equal CL", requestText(fields: "Content-Length: 15\r\nContent-Length: 15\r\n"), 400),
    ("CL list", requestText(fields: "Content-Length: 15, 15\r\n"), 400),
    ("CL empty", requestText(fields: "Content-Length: \r\n"), 400),
    ("CL signed", requestText(fields: "Content-Length: +15\r\n"), 400),
    ("CL negative", requestText(fields: "Content-Length: -1\r\n"), 400),
    ("CL hexadecimal", requestText(fields: "Content-Length: 0x5\r\n"), 400),
    ("CL with a space", requestText(fields: "Content-Length: 1 5\r\n"), 400),
    ("CL with an underscore", requestText(fields: "Content-Length: 1_5\r\n"), 400),
    ("CL decimal", requestText(fields: "Content-Length: 1.0\r\n"), 400),
    ("CL of 19 digits", requestText(fields: "Content-Length: 9223372036854775808\r\n"), 413),
    ("CL of 40 digits", requestText(fields: "Content-Length: \(String(repeating: "9", count: 40))\r\n"), 413),
    (
      "CL of 30 characters, one not a digit",
      requestText(fields: "Content-Length: \(String(repeating: "9", count: 29))x\r\n"), 400
    ),
    ("two TE", requestText(fields: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
    ("TE then identity", requestText(fields: "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400),
    ("TE in HTTP/1.0", requestText("POST / HTTP/1.0", fields: "Transfer-Encoding: chunked\r\n"), 400),
    ("xchunked", requestText(fields: "Transfer-Encoding: xchunked\r\n"), 501),
    ("chunke", requestText(fields: "Transfer-Encoding: chunke\r\n"), 501),
    ("chunked twice in a list", requestText(fields: "Transfer-Encoding: chunked, chunked\r\n"), 501),
    ("gzip, chunked", requestText(fields: "Transfer-Encoding: gzip, chunked\r\n"), 501),
    ("TE identity", requestText(fields: "Transfer-Encoding: identity\r\n"), 501),
    ("TE quoted", requestText(fields: "Transfer-Encoding: \"chunked\"\r\n"), 501),
    ("TE empty", requestText(fields: "Transfer-Encoding:\r\n"), 400),
    ("TE with a parameter", requestText(fields: "Transfer-Encoding: chunked;a=b\r\n"), 501),
    // Other fields.
    ("another expectation", requestText(fields: "Expect: 200-ok\r\n"), 417),
    ("empty expectation", requestText(fields: "Expect:\r\n"), 417),
    ("two Authorizations", requestText(fields: "Authorization: a\r\nAuthorization: a\r\n"), 400),
    ("two Content-Types", requestText(fields: "Content-Type: a\r\nContent-Type:\r\n"), 400),
    ("two props", requestText(fields: "prop: a\r\nProp: b\r\n"), 400),
    // Not HTTP.
    ("TLS", "\u{16}\u{3}\u{1}", 400), ("NUL", "\0", 400), ("a brace", "{\"a\":1}", 400),
    ("a control character later", "GE\u{1}", 400),
  ].map { ($0.0, String($0.1), $0.2) }

  @Test(arguments: Pieces.allCases)
  func `RequestHeadParser refuses each ambiguous head, whole and in pieces`(pieces: Pieces) {
    for (name, text, status) in Self.refused {
      let head = parseRequest(text, pieces)
      #expect(head.status == status, "\(name): \(head.outcome)")
      #expect(head == parseRequest(text), "\(name): another verdict than for the whole")
    }
  }

  @Test func `a folded line is refused as folded`() {
    for space in [" ", "\t"] {
      #expect(parseRequest(requestText(fields: "X-A: b\r\n\(space)c: d\r\n")).outcome == .failed(.folded))
    }
  }

  @Test func `a refused head gets the same status with another request behind it`() {
    for (name, text, status) in Self.refused {
      #expect(parseRequest(text + requestText()).status == status, "\(name)")
    }
  }

  @Test func `RequestHeadParser takes unusual but legal requests`() {
    let legal = [
      requestText(host: "Host:\r\n"), requestText(host: "Host: [fe80::1]:80\r\n"), requestText(host: "Host: a:\r\n"),
      requestText(fields: "X-A:\r\n"), requestText(fields: "X-A: \t\r\n"), requestText(fields: "X-A: a:b: \"c\r\n"),
      requestText(fields: "!#$%&'*+-.^_`|~9aZ: b\r\n"),
      requestText(fields: "Transfer-Encoding: \t CHUNKED \t\r\n"),
      requestText(fields: "Upgrade: h2c\r\nConnection: Upgrade\r\n"),
      requestText(fields: "Content-Length: 999999999999999999\r\n"),
      requestText("\(String(repeating: "A", count: 32)) / HTTP/1.1"),
      requestText("GET /~a-b._!$&'()*+,;=:@%[]?/? HTTP/1.1"), requestText(fields: "X-A: \u{e4}\t\u{80}\r\n"),
    ]
    for text in legal {
      for pieces in Pieces.allCases { #expect(parseRequest(text, pieces).isComplete, "\(text)") }
    }
  }

  @Test(arguments: Pieces.allCases)
  func `a request line at its limit is taken, one byte more is 414`(pieces: Pieces) {
    let line = "GET /\(String(repeating: "a", count: 86)) HTTP/1.1"
    #expect(line.utf8.count == 100)
    let limits = HTTPLimits(maxRequestLine: 100)
    #expect(parseRequest(requestText(line), pieces, limits: limits).isComplete)
    #expect(parseRequest(requestText(line), pieces, limits: HTTPLimits(maxRequestLine: 99)).status == 414)
    #expect(parseRequest("\r\n" + requestText(line), pieces, limits: limits).isComplete)
    #expect(
      parseRequest(String(line.dropLast(2)) + "abc", pieces, limits: limits).status == 414, "before its end is there")
  }

  @Test(arguments: Pieces.allCases)
  func `a head at its limit is taken, one byte more is 431`(pieces: Pieces) {
    for fields in ["", "X-A: \(String(repeating: "b", count: 90))\r\n", "\(String(repeating: "n", count: 90)): 1\r\n"] {
      let text = requestText(fields: fields)
      let length = text.utf8.count
      #expect(parseRequest(text, pieces, limits: HTTPLimits(maxHeaderSize: length)).isComplete)
      for short in [1, 2, 3, 4, 5, length / 2, length - 1, length] {
        let limits = HTTPLimits(maxHeaderSize: length - short)
        #expect(parseRequest(text, pieces, limits: limits).status == 431, "\(length - short)")
      }
    }
  }

  @Test(arguments: ["", "X-A: ", "Host: gw\r\nX-B", "X-A: b\r\n"])
  func `a head without an end is refused at its limit, not later`(fields: String) {
    let start = Array("GET / HTTP/1.1\r\n\(fields)".utf8)
    let text = start + [UInt8](repeating: UInt8(ascii: "a"), count: 400)
    let limits = HTTPLimits(maxHeaderSize: 200)
    #expect(parseRequest(text, .byByte, limits: limits).status == 431)
    #expect(parseRequest(Array(text[0..<200]), .byByte, limits: limits).status == 431)
    #expect(parseRequest(Array(text[0..<198]), .byByte, limits: limits).outcome == .needMore)
  }

  @Test(arguments: Pieces.allCases)
  func `the largest number of fields is taken, one more is 431`(pieces: Pieces) {
    let text = requestText(fields: String(repeating: "a: b\r\n", count: 9))
    #expect(parseRequest(text, pieces, limits: HTTPLimits(maxHeaderFields: 10)).isComplete)
    #expect(parseRequest(text, pieces, limits: HTTPLimits(maxHeaderFields: 9)).status == 431)
    #expect(
      parseRequest(requestText(host: nil), pieces, limits: HTTPLimits(maxHeaderFields: 0)).status == 400, "no Host")
  }

  @Test func `limits from the smallest to the largest integer do not trap`() {
    for line in [Int.min, -1, 0, 1, .max] {
      for size in [Int.min, -1, 0, 1, 2, .max] {
        for fields in [Int.min, 0, .max] {
          let limits = HTTPLimits(maxRequestLine: line, maxHeaderSize: size, maxHeaderFields: fields)
          let whole = parseRequest(requestText(), limits: limits)
          #expect(whole == parseRequest(requestText(), .byByte, limits: limits))
          #expect(whole.isComplete == (line == .max && size == .max && fields == .max))
        }
      }
    }
  }

  @Test func `each fault has an error status, and a sentence from a capital letter to a full stop`() {
    for code in HTTPFault.Code.allCases { #expect((400...599).contains(HTTPFault(code, "x").status)) }
    for (name, text, _) in Self.refused {
      guard case .failed(let fault) = parseRequest(text).outcome else {
        Issue.record("\(name) was not refused")
        continue
      }
      let sentence = fault.reason.description
      #expect(sentence.hasSuffix(".") && sentence.first?.isUppercase == true, "\(name)")
    }
  }
}
