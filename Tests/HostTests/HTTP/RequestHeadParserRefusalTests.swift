import Testing

@testable import Host

@Suite struct RequestHeadParserRefusalTests {
  /// Name, part of the request, status.
  private typealias Refused = [(String, String, Int)]

  private static let lines: Refused = [
    ("lower case version", "GET / http/1.1", 400), ("no version", "GET /", 400),
    ("two spaces before the target", "GET  / HTTP/1.1", 400), ("two spaces before the version", "GET /  HTTP/1.1", 400),
    ("space at the end", "GET / HTTP/1.1 ", 400), ("space at the start", " GET / HTTP/1.1", 400),
    ("tab", "GET\t/ HTTP/1.1", 400), ("tab in the target", "GET /a\tb HTTP/1.1", 400),
    ("space in the target", "GET /a b HTTP/1.1", 400), ("no target", "GET HTTP/1.1", 400),
    ("empty target", "GET  HTTP/1.1", 400), ("version with three digits", "GET / HTTP/1.10", 400),
    ("version without a point", "GET / HTTP/11", 400), ("version with letters", "GET / HTTP/1.x", 400),
    ("method with a slash", "G/T / HTTP/1.1", 400),
    ("method of 33", "\(String(repeating: "A", count: 33)) / HTTP/1.1", 400), ("HTTP/2.0", "GET / HTTP/2.0", 505),
    ("HTTP/0.9", "GET / HTTP/0.9", 505), ("HTTP/3", "GET / HTTP/3", 400), ("CONNECT", "CONNECT gw:443 HTTP/1.1", 501),
    ("asterisk with GET", "GET * HTTP/1.1", 400), ("relative target", "GET api/x HTTP/1.1", 400),
    ("another scheme", "GET ftp://gw/x HTTP/1.1", 400),
    ("absolute target without a path", "GET http://gw HTTP/1.1", 400),
    ("absolute target without a path, with a query", "GET http://gw?/x HTTP/1.1", 400),
    ("absolute target without a host", "GET http:///x HTTP/1.1", 400),
    ("user in the target", "GET http://a@gw/x HTTP/1.1", 400), ("only a scheme", "GET http: HTTP/1.1", 400),
    ("backslash", "GET /a\\b HTTP/1.1", 400), ("fragment", "GET /a#b HTTP/1.1", 400),
    ("quotation mark", "GET /\" HTTP/1.1", 400), ("angle bracket", "GET /<x> HTTP/1.1", 400),
    ("umlaut", "GET /\u{e4} HTTP/1.1", 400), ("NUL in the target", "GET /\0 HTTP/1.1", 400),
    ("DEL in the target", "GET /\u{7f} HTTP/1.1", 400),
  ]

  private static let hosts: Refused = [
    ("Host with a space", "a b", 400), ("Host with a slash", "a/b", 400), ("Host with a user", "a@b", 400),
    ("Host list", "a,b", 400), ("Host with a word as port", "a:b", 400), ("Host with two ports", "a:1:2", 400),
    ("unfinished IPv6 Host", "[::1", 400), ("Host [", "[", 400), ("Host []", "[]", 400),
    ("IPv6 Host with a tail", "[::1]x", 400),
  ]

  private static let fields: Refused = [
    // Line ends.
    ("bare CR in a value", "X-A: b\rc", 400), ("two CR", "X-A: b\r", 400), ("bare CR in a name", "X\rA: b", 400),
    // Fields.
    ("folded with a space", "X-A: b\r\n c", 400), ("folded with a tab", "X-A: b\r\n\tc", 400),
    ("folded transfer coding", "Transfer-Encoding:\r\n chunked", 400),
    ("space before the colon", "Transfer-Encoding : chunked", 400),
    ("tab before the colon", "Transfer-Encoding\t: chunked", 400), ("no colon", "X-A", 400), ("no name", ": b", 400),
    ("name with a bracket", "X(A): b", 400), ("umlaut in a name", "X-\u{e4}: b", 400),
    ("NUL in a name", "X\0A: b", 400), ("NUL in a value", "X-A: b\0c", 400),
    ("vertical tab in a value", "Transfer-Encoding:\u{b}chunked", 400), ("form feed in a value", "X-A: \u{c}", 400),
    ("DEL in a value", "X-A: 12345678\u{7f}", 400),
    ("two Hosts", "Host: gw", 400),
    // Framing.
    ("CL and TE", "Content-Length: 15\r\nTransfer-Encoding: chunked", 400),
    ("TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 15", 400),
    ("CL and tE", "Content-Length: 15\r\ntRANSFER-eNCODING: ChUnKeD", 400),
    ("CL 0 and TE", "Content-Length: 0\r\nTransfer-Encoding: chunked", 400),
    ("two CL", "Content-Length: 15\r\nContent-Length: 16", 400),
    ("two equal CL", "Content-Length: 15\r\nContent-Length: 15", 400), ("CL list", "Content-Length: 15, 15", 400),
    ("CL empty", "Content-Length: ", 400), ("CL signed", "Content-Length: +15", 400),
    ("CL negative", "Content-Length: -1", 400), ("CL hexadecimal", "Content-Length: 0x5", 400),
    ("CL with a space", "Content-Length: 1 5", 400), ("CL with an underscore", "Content-Length: 1_5", 400),
    ("CL decimal", "Content-Length: 1.0", 400), ("CL of 19 digits", "Content-Length: 9223372036854775808", 413),
    ("CL of 40 digits", "Content-Length: \(String(repeating: "9", count: 40))", 413),
    ("CL of 30 characters, one not a digit", "Content-Length: \(String(repeating: "9", count: 29))x", 400),
    ("two TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    ("TE then identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
    ("xchunked", "Transfer-Encoding: xchunked", 501), ("chunke", "Transfer-Encoding: chunke", 501),
    ("chunked twice in a list", "Transfer-Encoding: chunked, chunked", 501),
    ("gzip, chunked", "Transfer-Encoding: gzip, chunked", 501), ("TE identity", "Transfer-Encoding: identity", 501),
    ("TE quoted", "Transfer-Encoding: \"chunked\"", 501), ("TE empty", "Transfer-Encoding:", 400),
    ("TE with a parameter", "Transfer-Encoding: chunked;a=b", 501),
    // Other fields.
    ("another expectation", "Expect: 200-ok", 417), ("empty expectation", "Expect:", 417),
    ("two Authorizations", "Authorization: a\r\nAuthorization: a", 400),
    ("two Content-Types", "Content-Type: a\r\nContent-Type:", 400), ("two props", "prop: a\r\nProp: b", 400),
  ]

  private static let texts: Refused = [
    ("HTTP/0.9 form", "GET /\r\n", 400), ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("bare LF after the request line", "GET / HTTP/1.1\nHost: gw\r\n\r\n", 400),
    ("bare LF first", "\nGET / HTTP/1.1\r\n", 400), ("bare LF after a field", "GET / HTTP/1.1\r\nHost: gw\n\r\n", 400),
    ("bare LF at the end", "GET / HTTP/1.1\r\nHost: gw\r\n\n", 400),
    ("bare CR in the request line", "GET / HTTP/1.1\rHost: gw\r\n\r\n", 400),
    ("bare CR first", "\rGET / HTTP/1.1\r\n", 400),
    ("bare CR at the end", String(requestText().dropLast(1)) + "\rX\r\n", 400),
    ("white space before the first field", "GET / HTTP/1.1\r\n Host: gw\r\n\r\n", 400),
    ("no Host", requestText(host: nil), 400),
    ("two Hosts in HTTP/1.0", requestText("GET / HTTP/1.0", fields: "Host: gw\r\n"), 400),
    ("TE in HTTP/1.0", requestText("POST / HTTP/1.0", fields: "Transfer-Encoding: chunked\r\n"), 400),
    ("TLS", "\u{16}\u{3}\u{1}", 400), ("NUL", "\0", 400), ("a brace", "{\"a\":1}", 400),
    ("a control character later", "GE\u{1}", 400),
  ]

  private static var refused: Refused {
    var refused = texts
    refused += lines.map { ($0, requestText($1), $2) }
    refused += hosts.map { ($0, requestText(host: "Host: \($1)\r\n"), $2) }
    refused += fields.map { ($0, requestText(fields: $1 + "\r\n"), $2) }
    return refused
  }

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
      let sentence = parseRequest(text).fault?.reason.description ?? "not refused"
      #expect(sentence.hasSuffix(".") && sentence.first?.isUppercase == true, "\(name)")
    }
  }
}
