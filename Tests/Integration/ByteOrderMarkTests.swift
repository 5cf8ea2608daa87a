import Foundation
import TestSupport
import Testing

@Suite("Byte order marks before the upstream's JSON", .blocking)
struct ByteOrderMarkTests {
  private static let mark = "\u{feff}"

  /// Responds normally, with a byte order mark before the body, in two segments cut after that number of the body's bytes.
  private static func marked(cutAfter cut: Int = 0) -> UpstreamStep {
    UpstreamStep { upstream, peer, call in
      let normal = String(decoding: upstream.respondNormally(call), as: UTF8.self)
      let body = mark + normal.components(separatedBy: "\r\n\r\n")[1]
      let message = Wire.message(body)
      let head = message.count - body.utf8.count + cut
      return peer.send(Array(message[..<head])) && peer.wait(0.05) && peer.send(Array(message[head...]))
    }
  }

  @Test(arguments: 0...3) func `a token response with a byte order mark, cut anywhere, gives a token`(_ cut: Int) throws
  {
    let lab = try Lab(isStarted: false)
    lab.upstream.scriptTokens(Self.marked(cutAfter: cut))
    try lab.gateway.start()
    try lab.expectHealthy()
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test func `a refused refresh token behind a byte order mark leads to an authorization`() throws {
    let lab = try Lab().withToken()
    lab.upstream.revokeRefresh()
    lab.upstream.revokeAccess()
    lab.upstream.scriptTokens(Self.marked(), Self.marked())
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 1)
  }

  @Test(arguments: 0...3) func `a data response keeps its byte order mark, and its code is read behind it`(_ cut: Int)
    throws
  {
    let lab = try Lab().withToken()
    lab.upstream.always(Self.marked(cutAfter: cut))
    #expect(try lab.call(Request.make(body: #"{"codes":["a"]}"#)).body == Array((Self.mark + Wire.points(["a"])).utf8))
    lab.upstream.revokeAccess()
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.tokenCalls == 1)
    lab.upstream.always(.response(Self.mark + #"{"code":500,"error":"no"}"#))
    #expect(try lab.call().text.hasSuffix(#"{"code":500,"error":"no"}"#))
    #expect(try lab.metric("gateway_upstream_requests_total", ["class": "business_error"]) == 1)
  }

  @Test func `each part of a merged response has the byte order mark, as the caller's own would`() throws {
    let lab = try Lab { $0.routes["values"] = ["batch": "{window: 25s, max: 2}"] }
    #expect(try lab.call(Request.make("POST", Request.history, body: "{}")).status == 200)
    lab.upstream.forgetCalls()
    lab.upstream.always(Self.marked())
    let connections = try ["a", "b"].map { code in
      try lab.connect().send(Request.make(body: #"{"codes":["\#(code)"]}"#))
    }
    for (connection, code) in zip(connections, ["a", "b"]) {
      #expect(try connection.receive().body == Array((Self.mark + Wire.points([code])).utf8))
    }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test(arguments: [mark + mark + "{}", mark, " " + mark + "{}", "\u{0}{\u{0}}"])
  func `a response with two byte order marks, a misplaced one, or nothing behind it is malformed`(_ body: String) throws
  {
    let lab = try Lab().withToken()
    lab.upstream.always(.response(body))
    #expect(try lab.call().outcome == "502 upstream_malformed")
  }

  @Test func `a caller's body with a byte order mark is refused, and not sent`() throws {
    let lab = try Lab().withToken()
    #expect(try lab.call(Request.make(body: Self.mark + #"{"codes":["a"]}"#)).outcome == "400 bad_json")
    #expect(lab.upstream.dataCalls.isEmpty)
  }
}
