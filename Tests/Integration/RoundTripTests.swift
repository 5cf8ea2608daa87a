import Foundation
import TestSupport
import Testing

@Suite("Bytes pass through", .blocking)
struct RoundTripTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  static let requests = [
    #"{"codes":["P"],"x":{"y":[1,2,{}]},"z":null}"#,
    "{ \"codes\" :\t[ \"P\" ]\r\n,  \"n\":9007199254740993 }",
    #"{"codes":["P"],"n":12345678901234567890.12300}"#,
    #"{"codes":["P"],"a":1.0,"b":1e400,"c":-0,"d":1E+2}"#,
    #"{"codes":["\u0050\/x","é😀"]}"#,
    "  {\"codes\":[\"P\"]}\n",
  ]

  @Test func `a request's body reaches the upstream byte for byte`() throws {
    for body in Self.requests { #expect(try lab.call(Request.make(body: body)).status == 200) }
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == Self.requests)
  }

  static let responses = [
    #"{"code":200,"msg":"ok","ResultPointObjArr":[{"pointId":"P","value":9007199254740993,"time":"2026-06-21 02:04"}]}"#,
    "{ \"msg\" : \"é😀\\u00e9\" ,\r\n\t\"unknown\":[1.10, 1e400, -0],\"code\":\"200\"}\n",
    #"{"code":500,"error":"internal error"}"#,
  ]

  @Test(arguments: responses)
  func `a response body reaches the caller byte for byte, business errors included`(_ body: String) throws {
    lab.upstream.script(.response(body))
    let response = try lab.call()
    #expect(response.status == 200 && response.source == "live")
    #expect(response.text == body)
  }

  @Test func `chunked, length-delimited and close-delimited responses have the same bytes`() throws {
    let body = #"{"code":200,"msg":"framed"}"#
    lab.upstream.script(
      .raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Request.chunked(body, size: 7), close: false),
      .response(body), .raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body))
    for framing in ["chunked", "length", "close"] {
      let response = try lab.call()
      #expect(response.status == 200, "\(framing)")
      #expect(response.text == body, "\(framing)")
    }
  }

  @Test func `the caller gets the upstream's status`() throws {
    for (line, status) in [("404 Not Found", 404), ("503 Service Unavailable", 503), ("418 I'm a teapot", 418)] {
      lab.upstream.script(.response(#"{"code":\#(status),"error":"sick"}"#, status: line))
      let response = try lab.call()
      #expect(response.status == status)
      #expect(response.text == #"{"code":\#(status),"error":"sick"}"#)
    }
  }

  @Test func `every operation reaches its own upstream call`() throws {
    for path in [Request.history, Request.set, Request.forceSet, Request.alarms, "/api/iot/alarm-configs"] {
      #expect(try lab.call(Request.make("POST", path, body: Request.setBody)).status == 200)
    }
    #expect(lab.upstream.dataCalls.map(\.kind) == [.history, .set, .forceSet, .alarms, .alarmConfigs])
  }

  @Test func `the caller's credentials are not sent upstream, and the upstream's own are sent once`() throws {
    let token = JWT.caller()
    let fields =
      "Token: evil\r\nappid: evil\r\nCookie: evil\r\nRange: bytes=0-1\r\nConnection: Token, appId\r\n"
      + "Accept-Encoding: gzip\r\nX-Forwarded-For: evil\r\nprop: presentValue\r\nX-Request-Id: trace-1\r\n"
    let response = try lab.call(Request.make(token: token, fields: fields))
    #expect(response.status == 200)
    #expect(response["X-Request-Id"] == "trace-1")
    let call = try #require(lab.upstream.dataCalls.first)
    #expect(!call.text.contains("evil"))
    #expect(!call.text.contains(token))
    #expect(call.all("Token").count == 1)
    for (name, value) in [("appId", Secrets.appID), ("prop", "presentValue"), ("X-Request-Id", "trace-1")] {
      #expect(call.all(name) == [value])
    }
    for name in ["Authorization", "Cookie", "Range", "Accept-Encoding", "X-Forwarded-For"] {
      #expect(call.all(name).isEmpty, "\(name)")
    }
  }

  @Test func `credential and hop-by-hop fields of a response are removed, and other fields reach the caller`() throws {
    let fields =
      "Set-Cookie: a=hidden\r\nToken: hidden\r\nappId: hidden\r\nWWW-Authenticate: hidden\r\n"
      + "Proxy-Authenticate: hidden\r\nAuthorization: hidden\r\nConnection: X-Hop\r\nX-Hop: hidden\r\n"
      + "Keep-Alive: hidden\r\nX-Vendor: seen\r\n"
    lab.upstream.script(.response(#"{"code":200}"#, fields: fields))
    let response = try lab.call()
    #expect(response.status == 200)
    #expect(response.all("X-Vendor") == ["seen"])
    #expect(!response.fields.contains { $0.value.contains("hidden") }, "\(response.fields)")
  }

  @Test(arguments: ["a b", "x\u{7F}", String(repeating: "a", count: 129), "<script>"])
  func `a request id with unusual characters is replaced`(_ id: String) throws {
    let response = try lab.call(Request.make(fields: "X-Request-Id: \(id)\r\n"))
    // A control character may be refused (RFC 9110 §5.5).
    #expect(response.status == 200 || response.status == 400)
    #expect(response["X-Request-Id"] != id)
    if response.status == 200 { #expect(response["X-Request-Id"]?.isEmpty == false) }
  }
}
