import Foundation
import TestSupport
import Testing

@Suite("Refused requests", .blocking)
struct RefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let request: @Sendable () -> [UInt8]
    let status: Int
    /// Nil for a framing error, whose body may be empty.
    let code: String?
    var method = "POST"
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "unknown path", request: { Request.make("POST", "/api/iot/nothing") }, status: 404, code: "not_found"),
    Case(
      name: "unknown path without a token", request: { Request.make("POST", "/x", token: nil) }, status: 404,
      code: "not_found"),
    Case(name: "wrong method", request: { Request.make("DELETE") }, status: 405, code: "method_not_allowed"),
    Case(name: "HEAD", request: { Request.make("HEAD", body: nil) }, status: 405, code: nil, method: "HEAD"),
    Case(name: "no token", request: { Request.make(token: nil) }, status: 401, code: "unauthorized"),
    Case(
      name: "a malformed token", request: { Request.make(token: "a.b.c") }, status: 401, code: "unauthorized"),
    Case(
      name: "another key's token", request: { Request.make(token: JWT.caller(key: Secrets.random(20))) }, status: 401,
      code: "unauthorized"),
    Case(
      name: "an expired token", request: { Request.make(token: JWT.caller(expiresIn: -120)) }, status: 401,
      code: "unauthorized"),
    Case(
      name: "alg none",
      request: {
        Request.make(token: JWT.hs256(header: #"{"alg":"none"}"#, claims: #"{"sub":"u","exp":9999999999}"#, key: ""))
      },
      status: 401, code: "unauthorized"),
    Case(
      name: "a missing role", request: { Request.make("POST", Request.forceSet, body: Request.setBody) },
      status: 403, code: "forbidden"),
    Case(
      name: "another role",
      request: { Request.make("POST", Request.forceSet, body: Request.setBody, token: JWT.caller(role: "guest")) },
      status: 403, code: "forbidden"),
    Case(
      name: "not JSON by type", request: { Request.make(contentType: "text/plain") }, status: 415,
      code: "unsupported_media_type"),
    Case(name: "not JSON", request: { Request.make(body: "{\"codes\":[") }, status: 400, code: "bad_json"),
    Case(name: "not an object", request: { Request.make(body: "[1]") }, status: 400, code: "bad_json"),
    Case(name: "empty", request: { Request.make(body: "") }, status: 400, code: "bad_json"),
    Case(
      name: "a duplicate key", request: { Request.make(body: #"{"codes":["P"],"c\u006fdes":["Q"]}"#) }, status: 400,
      code: "bad_json"),
    Case(
      name: "too deep",
      request: {
        Request.make(body: "{\"a\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}")
      },
      status: 400, code: "bad_json"),
    Case(
      name: "a body that is too large",
      request: { Request.make(body: "{\"a\":\"" + String(repeating: "x", count: 70_000) + "\"}") },
      status: 413, code: "body_too_large"),
    Case(
      name: "a request line that is too long",
      request: { Request.make("GET", "/" + String(repeating: "a", count: 9000), body: nil) },
      status: 414, code: nil),
    Case(
      name: "a field that is too long",
      request: { Request.make(fields: "X-Long: " + String(repeating: "a", count: 20_000) + "\r\n") },
      status: 431, code: nil),
    Case(
      name: "too many fields", request: { Request.make(fields: String(repeating: "X-A: b\r\n", count: 200)) },
      status: 431, code: nil),
    Case(
      name: "another version of HTTP",
      request: {
        Array(
          String(decoding: Request.make(), as: UTF8.self).replacingOccurrences(of: "HTTP/1.1", with: "HTTP/3.0").utf8)
      },
      status: 505, code: nil),
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
    var configuration = GatewayConfiguration()
    configuration.routes["force-set"] = ["roles": "[admin, operator]"]
    let lab = try Lab(configuration)
    let string = Request.make("POST", Request.forceSet, body: Request.setBody, token: JWT.caller(role: "operator"))
    #expect(try lab.call(string).status == 200)
    let claims = #"{"sub":"u","role":["guest","admin"],"exp":9999999999}"#
    let array = Request.make(
      "POST", Request.forceSet, body: Request.setBody, token: JWT.hs256(claims: claims, key: Secrets.jwt))
    #expect(try lab.call(array).status == 200)
  }

  @Test func `an empty body is accepted as {} for alarms only`() throws {
    let lab = try Lab()
    #expect(try lab.call(Request.make("POST", Request.alarms, body: "")).status == 200)
    #expect(try lab.call(Request.make("POST", Request.history, body: "")).status == 400)
  }

  @Test func `an incomplete request head gets 408, and the connection closes`() throws {
    let lab = try Lab()
    let connection = try lab.connect()
    connection.send("POST /api/iot/codes/values HTTP/1.1\r\nHost: x\r\n")
    let response = try connection.receive(within: 5)
    #expect(response.status == 408)
    #expect(connection.isClosed())
  }

  @Test func `an incomplete request body gets 408, is not sent upstream, and the connection closes`() throws {
    let lab = try Lab()
    let connection = try lab.connect()
    connection.send(Array(Request.make().dropLast(3)))
    let response = try connection.receive(within: 5)
    #expect(response.status == 408)
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
    #expect(lab.upstream.calls.isEmpty)
  }
}
