import Testing

@testable import Host

/// A request of which one part is given.
func requestText(
  _ line: String = "POST /api/x HTTP/1.1", host: String? = "Host: gw\r\n", fields: String = ""
) -> String {
  "\(line)\r\n\(host ?? "")\(fields)\r\n"
}

@Suite struct RequestHeadParserTests {
  private let full =
    "POST /api/iot/codes/values?a=1&b=?c HTTP/1.1\r\nhost: gw.example:8080\r\nAUTHORIZATION: \t Bearer abc.def \t \r\n"
    + "Content-Type:application/json\r\nAccept: */*\r\nprop: x y\r\nX-Request-ID: id-1\r\nX-Note: caf\u{e9}\ttab\r\n"
    + "traceparent: 00-1-2-01\r\ntracestate: a=b\r\nExpect: 100-Continue\r\nContent-Length: 0012\r\n\r\n"

  @Test(arguments: Pieces.allCases)
  func `RequestHeadParser finds each known field, in all pieces`(pieces: Pieces) {
    let head = parseRequest(full, pieces)
    #expect(head.outcome == .complete)
    #expect(head.consumed == full.utf8.count)
    #expect(head.method == .post)
    #expect(head.contentLength == 12)
    #expect(head.minorVersion == 1)
    #expect(
      head.values == [
        "method": "POST", "target": "/api/iot/codes/values?a=1&b=?c", "path": "/api/iot/codes/values",
        "query": "a=1&b=?c",
        "authorization": "Bearer abc.def", "contentType": "application/json", "accept": "*/*", "prop": "x y",
        "requestID": "id-1", "traceparent": "00-1-2-01", "tracestate": "a=b",
      ])
    #expect(head.flags == [true, false, true, true, true, true])
  }

  @Test func `RequestHeadParser recognises methods by their exact spelling`() {
    let known: [(String, RequestHead.Method)] = [
      ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("PATCH", .patch), ("DELETE", .delete),
      ("OPTIONS", .options), ("get", .other), ("GOT", .other), ("POSX", .other), ("M-SEARCH", .other), ("X", .other),
    ]
    for (name, method) in known {
      let head = parseRequest(requestText("\(name) / HTTP/1.1"))
      #expect(head.method == method, "\(name)")
      #expect(head.values["method"] == name)
    }
  }

  @Test func `RequestHeadParser takes a path, an asterisk with OPTIONS, and an absolute target`() {
    #expect(parseRequest(requestText("OPTIONS * HTTP/1.1")).values["path"] == "*")
    #expect(parseRequest(requestText("GET //a/../b;c%2f HTTP/1.1")).values["path"] == "//a/../b;c%2f")
    let absolute = parseRequest(requestText("GET HTTP://gw:80/p?q HTTP/1.1"))
    #expect(absolute.values["path"] == "/p")
    #expect(absolute.values["query"] == "q")
    #expect(parseRequest(requestText("GET https://[::1]:80/p HTTP/1.1")).values["path"] == "/p")
    let empty = parseRequest(requestText("GET /? HTTP/1.1"))
    #expect(empty.values["path"] == "/")
    #expect(empty.values["query"] == nil)
    #expect(empty.flags[3])
    #expect(!parseRequest(requestText("GET / HTTP/1.1")).flags[3])
  }

  @Test func `RequestHeadParser derives keepAlive from the version and from Connection`() {
    let cases: [(String, String, Bool)] = [
      ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: Close\r\n", false),
      ("HTTP/1.1", "Connection: keep-alive, x,, close\r\n", false),
      ("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
      ("HTTP/1.1", "Connection: closed, not-close\r\n", true), ("HTTP/1.1", "Connection: ,\t, Token, appId\r\n", true),
      ("HTTP/1.0", "", false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
      ("HTTP/1.0", "Connection: keep-alive, close\r\n", false), ("HTTP/1.9", "", true),
    ]
    for (version, fields, keepAlive) in cases {
      let head = parseRequest(requestText("GET / \(version)", fields: fields))
      #expect(head.flags.first == keepAlive, "\(version) \(fields)")
    }
  }

  @Test func `RequestHeadParser withholds the forwarded fields that Connection names, and no other field`() {
    let fields = "prop: a\r\nAccept: b\r\nAuthorization: c\r\nX-Request-Id: d\r\ntraceparent: e\r\ntracestate: f\r\n"
    let all = parseRequest(
      requestText(
        fields: fields + "Connection: PROP, accept, authorization, x-request-id,traceparent , tracestate\r\n"), .byByte)
    #expect(all.values["authorization"] == "c")
    for name in ["prop", "accept", "requestID", "traceparent", "tracestate"] {
      #expect(all.values[name] == nil, "\(name)")
    }
    let one = parseRequest(requestText(fields: fields + "Connection: prop\r\n"))
    #expect(one.values["prop"] == nil)
    #expect(one.values["accept"] == "b")
  }

  @Test func `an HTTP/1.0 request needs no Host, and does not wait for an interim response`() {
    let head = parseRequest(requestText("GET / HTTP/1.0", host: nil, fields: "Expect: 100-continue\r\n"))
    #expect(head.isComplete)
    #expect(head.minorVersion == 0)
    #expect(!head.flags[2])
  }

  @Test func `a second Accept, X-Request-Id or tracestate is ignored, and of two traceparents both are`() {
    let names = ["Accept", "X-Request-Id", "tracestate", "traceparent"]
    let head = parseRequest(requestText(fields: names.map { "\($0): one\r\n\($0): two\r\n" }.joined()), .byThree)
    #expect(head.values["accept"] == "one")
    #expect(head.values["requestID"] == "one")
    #expect(head.values["tracestate"] == "one")
    #expect(head.values["traceparent"] == nil)
  }

  @Test func `RequestHeadParser distinguishes an empty field from a missing one`() {
    let head = parseRequest(requestText(fields: "Content-Type:  \r\nAuthorization:\r\n"))
    #expect(head.flags == [true, false, false, false, true, true])
    #expect(head.values["contentType"] == nil)
    #expect(parseRequest(requestText()).flags == [true, false, false, false, false, false])
  }

  @Test(arguments: Pieces.allCases)
  func `RequestHeadParser steps over two empty lines before a request, and refuses a third`(pieces: Pieces) {
    for lines in 0...2 {
      let text = String(repeating: "\r\n", count: lines) + requestText()
      let head = parseRequest(text, pieces)
      #expect(head.isComplete)
      #expect(head.consumed == text.utf8.count)
      #expect(head.values["path"] == "/api/x")
    }
    #expect(parseRequest("\r\n\r\n\r\n" + requestText(), pieces).status == 400)
  }

  @Test func `RequestHeadParser stops at the end of the head, whatever bytes follow`() {
    let first = requestText("GET /1 HTTP/1.1")
    for next in [requestText("GET /2 HTTP/1.1"), "\0\u{1}\n\n", "body\r\n\r\n"] {
      #expect(parseRequest(first + next) == parseRequest(first, .byByte))
    }
  }

  @Test func `RequestHeadParser reads a message again after reset`() {
    var parser = RequestHeadParser()
    var head = RequestHead()
    let text = Array(requestText("GET /a HTTP/1.1", fields: "Content-Length: 1\r\n").utf8)
    for _ in 0..<3 {
      text.withUnsafeBufferPointer { bytes in
        for count in 1...text.count {
          let outcome = parser.parse(bytes.baseAddress!, count: count, limits: HTTPLimits(), into: &head)
          #expect(outcome == (count == text.count ? .complete : .needMore))
        }
      }
      #expect(head.contentLength == 1)
      parser.reset()
    }
  }
}
