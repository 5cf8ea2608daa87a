import Foundation
import TestSupport
import Testing

@Suite("Bytes pass through", .blocking)
struct RoundTripTests {
  static let requests = [
    #"{"codes":["P"],"x":{"y":[1,2,{}]},"z":null}"#,
    "{ \"codes\" :\t[ \"P\" ]\r\n,  \"n\":9007199254740993 }",
    #"{"codes":["P"],"n":12345678901234567890.12300}"#,
    #"{"codes":["P"],"a":1.0,"b":1e400,"c":-0,"d":1E+2}"#,
    #"{"codes":["\u0050\/x","é😀"]}"#,
    "  {\"codes\":[\"P\"]}\n",
  ]

  @Test("a request's body reaches the upstream byte for byte")
  func requestBodies() throws {
    let lab = try Lab()
    for body in Self.requests {
      #expect(try lab.call(Request.make(body: body)).status == 200)
    }
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == Self.requests)
  }

  static let answers = [
    #"{"code":200,"msg":"ok","ResultPointObjArr":[{"pointId":"P","value":9007199254740993,"time":"2026-06-21 02:04"}]}"#,
    "{ \"msg\" : \"é😀\\u00e9\" ,\r\n\t\"unknown\":[1.10, 1e400, -0],\"code\":\"200\"}\n",
    #"{"code":500,"error":"internal error"}"#,
  ]

  @Test("an answer's body comes back byte for byte, business errors too", arguments: answers)
  func answerBodies(_ body: String) throws {
    let lab = try Lab()
    lab.upstream.script(.answer(body))
    let answer = try lab.call()
    #expect(answer.status == 200)
    #expect(answer.text == body)
    #expect(answer["X-Gateway-Source"] == "live")
  }

  @Test("chunked, length-delimited and close-delimited answers have the same bytes")
  func framings() throws {
    let lab = try Lab()
    let body = #"{"code":200,"msg":"framed"}"#
    lab.upstream.script(
      .raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Request.chunked(body, size: 7), close: false),
      .answer(body), .raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body))
    for framing in ["chunked", "length", "close"] {
      let answer = try lab.call()
      #expect(answer.status == 200, "\(framing)")
      #expect(answer.text == body, "\(framing)")
    }
  }

  @Test("the upstream's status is the caller's status")
  func statuses() throws {
    let lab = try Lab()
    for (line, status) in [("404 Not Found", 404), ("503 Service Unavailable", 503), ("418 I'm a teapot", 418)] {
      lab.upstream.script(.answer(#"{"code":\#(status),"error":"sick"}"#, status: line))
      let answer = try lab.call()
      #expect(answer.status == status)
      #expect(answer.text == #"{"code":\#(status),"error":"sick"}"#)
    }
  }

  @Test("every operation reaches its own upstream call")
  func operations() throws {
    let lab = try Lab()
    #expect(try lab.call(Request.make("POST", Request.history)).status == 200)
    #expect(try lab.call(Request.make("POST", Request.set, body: Request.setBody)).status == 200)
    #expect(try lab.call(Request.make("POST", Request.forceSet, body: Request.setBody)).status == 200)
    #expect(try lab.call(Request.make("POST", Request.alarms, body: "{}")).status == 200)
    #expect(try lab.call(Request.make("POST", "/api/iot/alarm-configs", body: "{}")).status == 200)
    #expect(lab.upstream.dataCalls.map(\.kind) == [.history, .set, .forceSet, .alarms, .alarmConfigs])
  }

  @Test("the caller's credentials stay here, and the upstream's own go there once")
  func requestFields() throws {
    let lab = try Lab()
    let token = JWT.caller()
    let fields =
      "Token: evil\r\nappid: evil\r\nCookie: evil\r\nRange: bytes=0-1\r\nConnection: Token, appId\r\n"
      + "Accept-Encoding: gzip\r\nX-Forwarded-For: evil\r\nprop: presentValue\r\nX-Request-Id: trace-1\r\n"
    let answer = try lab.call(Request.make(token: token, fields: fields))
    #expect(answer.status == 200)
    #expect(answer["X-Request-Id"] == "trace-1")
    let call = try #require(lab.upstream.dataCalls.first)
    #expect(!call.text.contains("evil"))
    #expect(!call.text.contains(token))
    #expect(call.all("appId") == [Secrets.appID])
    #expect(call.all("Token").count == 1)
    #expect(call.all("prop") == ["presentValue"])
    #expect(call.all("X-Request-Id") == ["trace-1"])
    for name in ["Authorization", "Cookie", "Range", "Accept-Encoding", "X-Forwarded-For"] {
      #expect(call.all(name).isEmpty, "\(name)")
    }
  }

  @Test("credential and hop-by-hop fields of an answer stay here, others come back")
  func answerFields() throws {
    let lab = try Lab()
    let fields =
      "Set-Cookie: a=hidden\r\nToken: hidden\r\nappId: hidden\r\nWWW-Authenticate: hidden\r\n"
      + "Proxy-Authenticate: hidden\r\nAuthorization: hidden\r\nConnection: X-Hop\r\nX-Hop: hidden\r\n"
      + "Keep-Alive: hidden\r\n"
      + "X-Vendor: seen\r\n"
    lab.upstream.script(.answer(#"{"code":200}"#, fields: fields))
    let answer = try lab.call()
    #expect(answer.status == 200)
    #expect(answer.all("X-Vendor") == ["seen"])
    #expect(!answer.fields.contains { $0.value.contains("hidden") }, "\(answer.fields)")
  }

  @Test(
    "a request id that is no plain word is replaced",
    arguments: ["a b", "x\u{7F}", String(repeating: "a", count: 129), "<script>"])
  func requestIDs(_ id: String) throws {
    let lab = try Lab()
    let answer = try lab.call(Request.make(fields: "X-Request-Id: \(id)\r\n"))
    // A control character may be refused outright (RFC 9110 §5.5).
    #expect(answer.status == 200 || answer.status == 400)
    #expect(answer["X-Request-Id"] != id)
    if answer.status == 200 { #expect(answer["X-Request-Id"]?.isEmpty == false) }
  }

  @Test("the mock says that it is one")
  func mockSource() throws {
    var configuration = GatewayConfiguration()
    configuration.defaults["adapter"] = "demo"
    let lab = try Lab(configuration)
    let answer = try lab.call()
    #expect(answer.status == 200)
    #expect(answer["X-Gateway-Source"] == "mock")
    #expect(lab.upstream.calls.isEmpty)
  }
}
