import Foundation
import TestSupport
import Testing

@Suite("Refused requests", .blocking)
struct RefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let status: Int
    /// Nil for a framing error, whose body may be empty.
    let code: String?
    var method = "POST"
    let request: @Sendable () -> [UInt8]
    var testDescription: String { name }
  }

  private static func forceSet(_ token: String) -> [UInt8] {
    Request.make("POST", Request.forceSet, body: Request.setBody, token: token)
  }

  static let cases = [
    Case(name: "unknown path", status: 404, code: "not_found") { Request.make("POST", "/api/iot/nothing") },
    Case(name: "unknown path, no token", status: 404, code: "not_found") { Request.make("POST", "/x", token: nil) },
    Case(name: "wrong method", status: 405, code: "method_not_allowed") { Request.make("DELETE") },
    Case(name: "HEAD", status: 405, code: nil, method: "HEAD") { Request.make("HEAD", body: nil) },
    Case(name: "no token", status: 401, code: "unauthorized") { Request.make(token: nil) },
    Case(name: "a malformed token", status: 401, code: "unauthorized") { Request.make(token: "a.b.c") },
    Case(name: "another key's token", status: 401, code: "unauthorized") {
      Request.make(token: JWT.caller(key: Secrets.random(20)))
    },
    Case(name: "an expired token", status: 401, code: "unauthorized") {
      Request.make(token: JWT.caller(expiresIn: -120))
    },
    Case(name: "alg none", status: 401, code: "unauthorized") {
      Request.make(token: JWT.hs256(header: #"{"alg":"none"}"#, claims: #"{"sub":"u","exp":9999999999}"#, key: ""))
    },
    Case(name: "a missing role", status: 403, code: "forbidden") { forceSet(JWT.caller()) },
    Case(name: "another role", status: 403, code: "forbidden") { forceSet(JWT.caller(role: "guest")) },
    Case(name: "not JSON by type", status: 415, code: "unsupported_media_type") {
      Request.make(contentType: "text/plain")
    },
    Case(name: "a compressed body", status: 415, code: "unsupported_media_type") {
      Request.make(fields: "Content-Encoding: gzip\r\n")
    },
    Case(name: "another charset", status: 415, code: "unsupported_media_type") {
      Request.make(contentType: "application/json; charset=\"ISO-8859-1\"")
    },
    Case(name: "not JSON", status: 400, code: "bad_json") { Request.make(body: "{\"codes\":[") },
    Case(name: "not an object", status: 400, code: "bad_json") { Request.make(body: "[1]") },
    Case(name: "empty", status: 400, code: "bad_json") { Request.make(body: "") },
    Case(name: "a duplicate key", status: 400, code: "bad_json") {
      Request.make(body: #"{"codes":["P"],"c\u006fdes":["Q"]}"#)
    },
    Case(name: "too deep", status: 400, code: "bad_json") {
      Request.make(body: "{\"a\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}")
    },
    Case(name: "a body that is too large", status: 413, code: "body_too_large") {
      Request.make(body: "{\"a\":\"" + String(repeating: "x", count: 70_000) + "\"}")
    },
    Case(name: "a request line that is too long", status: 414, code: nil) {
      Request.make("GET", "/" + String(repeating: "a", count: 9000), body: nil)
    },
    Case(name: "a field that is too long", status: 431, code: nil) {
      Request.make(fields: "X-Long: " + String(repeating: "a", count: 20_000) + "\r\n")
    },
    Case(name: "too many fields", status: 431, code: nil) {
      Request.make(fields: String(repeating: "X-A: b\r\n", count: 200))
    },
    Case(name: "another version of HTTP", status: 505, code: nil) { Request.make(version: "3.0") },
  ]

  @Test(arguments: cases)
  func `a refused request gets its status and code, and is not sent upstream`(_ entry: Case) throws {
    var configuration = GatewayConfiguration()
    configuration.listen["max_body_size"] = "64KiB"
    configuration.routes["force-set"] = ["roles": "[admin]"]
    let lab = try Lab(configuration)
    let response = try lab.call(entry.request(), to: entry.method)
    #expect(response.status == entry.status)
    if let code = entry.code {
      #expect(response.errorCode == code)
      #expect(response.json?["error"] is String)
      #expect(response.json?["requestId"] as? String == response["X-Request-Id"])
      #expect(response["Content-Type"]?.hasPrefix("application/json") == true)
    }
    if entry.status == 401 { #expect(response["WWW-Authenticate"]?.hasPrefix("Bearer") == true) }
    if entry.status == 405 { #expect(response["Allow"]?.contains("POST") == true) }
    #expect(lab.upstream.dataCalls.isEmpty)
    #expect(!response.text.contains(lab.upstream.url))
    try lab.expectHealthy()
  }

  @Test func `a token with the required role is accepted, as a string and in an array`() throws {
    let lab = try Lab { $0.routes["force-set"] = ["roles": "[admin, operator]"] }
    let claims = #"{"sub":"u","role":["guest","admin"],"exp":9999999999}"#
    for token in [JWT.caller(role: "operator"), JWT.hs256(claims: claims, key: Secrets.jwt)] {
      #expect(try lab.call(Self.forceSet(token)).status == 200)
    }
  }

  @Test func `a body with a content coding gets 415 with Accept-Encoding: identity, on every route that takes a body`()
    throws
  {
    let lab = try Lab { $0.hasCatalogue = true }
    for (path, body) in [
      (Request.values, Request.valuesBody), (Request.set, Request.setBody), (Request.objects, "{}"),
      (Request.objects + "/import", "[]"), (Request.widgets, "{}"),
    ] {
      for coding in ["gzip", "br", "GZIP, identity", "identity,deflate", "x"] {
        let response = try lab.call(Request.make("POST", path, body: body, fields: "Content-Encoding: \(coding)\r\n"))
        #expect(response.status == 415 && response.errorCode == "unsupported_media_type", "\(path) \(coding)")
        #expect(response["Accept-Encoding"] == "identity")
      }
    }
    let two = Request.make(fields: "Content-Encoding: identity\r\ncontent-encoding: gzip\r\n")
    #expect(try lab.call(two).status == 415)
    #expect(lab.upstream.dataCalls.isEmpty)
    for fields in [
      "Content-Encoding: identity\r\n", "Content-Encoding: Identity , identity\r\n", "Content-Encoding: chunked\r\n",
      "Content-Encoding:\r\n",
    ] {
      #expect(try lab.call(Request.make(fields: fields)).status == 200)
    }
  }

  @Test func `a charset other than UTF-8 gets 415 on every route that takes a body, and UTF-8 is accepted`() throws {
    let lab = try Lab { $0.hasCatalogue = true }
    let object = #"{"code":"a","name":"b","type":"sensor"}"#
    for (path, body) in [
      (Request.values, Request.valuesBody), (Request.objects, object), (Request.objects + "/import", "[]"),
      (Request.widgets, "{}"),
    ] {
      for type in [
        "application/json;charset=gbk", "application/json; a=b; CHARSET=\"latin1\"", "application/json; charset=",
      ] {
        let response = try lab.call(Request.make("POST", path, body: body, contentType: type))
        #expect(response.status == 415 && response.text.contains("UTF-8"), "\(path) \(type)")
        #expect(response["Accept-Encoding"] == nil)
      }
    }
    for type in [
      "application/json; charset=utf-8", "application/json;charset=\"UTF-8\"", "application/json;charset=utf8",
    ] {
      #expect(try lab.call(Request.make(contentType: type)).status == 200, "\(type)")
    }
    #expect(
      try lab.call(Request.make("POST", Request.objects, body: object, contentType: "application/json; charset=UTF-8"))
        .status == 201)
  }

  @Test func `an empty body is accepted as {} for alarms only`() throws {
    let lab = try Lab()
    #expect(try lab.call(Request.make("POST", Request.alarms, body: "")).status == 200)
    #expect(try lab.call(Request.make("POST", Request.history, body: "")).status == 400)
  }

  @Test(arguments: [Array("POST \(Request.values) HTTP/1.1\r\nHost: x\r\n".utf8), Array(Request.make().dropLast(3))])
  func `an incomplete request head or body gets 408, is not sent upstream, and the connection closes`(
    _ part: [UInt8]
  ) throws {
    let lab = try Lab()
    let connection = try lab.connect().send(part)
    #expect(try connection.receive(within: 5).status == 408)
    #expect(connection.isClosed())
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test(
    arguments: [
      "/api/iot/../iot/codes/set", "/api//iot/codes/set", "/api/iot/codes%2fset", "/api/iot/codes/set/",
      "/API/iot/codes/set",
      "/api/iot/codes/set;x", "/api/iot/codes\\set", "/api/iot/codes/%2e%2e/codes/set",
      "/_webtalk/_cur/api/setCodesVal",
    ])
  func `other spellings of a path do not match its route`(_ path: String) throws {
    let lab = try Lab()
    let response = try lab.call(Request.make("POST", path, body: Request.setBody))
    #expect(response.status == 404 || response.status == 400)
    #expect(lab.upstream.dataCalls.isEmpty)
  }
}
