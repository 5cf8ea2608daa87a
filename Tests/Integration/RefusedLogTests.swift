import Foundation
import TestSupport
import Testing

@Suite("Refused requests in log and metrics", .blocking)
struct RefusedLogTests {
  /// Waits for the access log entry with this status and returns it.
  private func entry(_ lab: Lab, status: Int) throws -> [String: Any] {
    try firstValue("the access log entry of \(status)") {
      lab.gateway.entries("request").first { $0["status"] as? Int == status }
    }
  }

  @Test func `a request that the parser refuses is counted and logged with its code`() throws {
    for (request, method, path, status, code) in [
      ("GET /x y HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/x", 400, "bad_request"),
      ("HEAD /h HTTP/3.0\r\nHost: h\r\n\r\n", "HEAD", "/h", 505, "http_version"),
      ("POST /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\n", "POST", nil, 414, "uri_too_long"),
      ("BREW /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "BREW", "/c", 501, "unsupported_operation"),
      ("PUT /t?ticket=hidden HTTP/1.1\r\nHost: h", "PUT", "/t", 408, "request_timeout"),
      ("\u{0}\u{1}", "other", "", 400, "bad_request"),
    ] as [(String, String, String?, Int, String)] {
      let lab = try Lab()
      let connection = try lab.connect().send(Array(request.utf8))
      #expect(try connection.receive(to: method, within: 5).status == status)
      let entry = try entry(lab, status: status)
      #expect(entry["method"] as? String == method && entry["code"] as? String == code)
      #expect(entry["route"] as? String == "unmatched" && entry["level"] as? String == "info")
      #expect((entry["remote"] as? String)?.hasPrefix("127.0.0.1:") == true)
      #expect((entry["reason"] as? String)?.hasSuffix(".") == true && (entry["requestId"] as? String)?.isEmpty == false)
      if let path { #expect(entry["path"] as? String == path) }
      #expect((entry["bytes"] as? Int == 0) == (method == "HEAD"))
      let label = ["GET", "HEAD", "POST", "PUT"].contains(method) ? method : "other"
      try eventually("the count") {
        try lab.metric(
          "gateway_http_requests_total", ["route": "unmatched", "method": label, "status": "\(status)"]) == 1
      }
      #expect(lab.gateway.entries("request").count == 1)
      #expect(!lab.gateway.log.contains("hidden"))
    }
  }

  @Test func `a TLS handshake on the plain port is named in the log, on the admin port too`() throws {
    let lab = try Lab()
    let hello: [UInt8] = [0x16, 0x03, 0x01, 0x00, 0xf4, 0x01, 0x00, 0x00, 0xf0, 0x03, 0x03]
    for (port, route) in [(lab.gateway.port, "unmatched"), (lab.gateway.adminPort, "admin")] {
      #expect(try RawConnection(port: port).send(hello).receive().status == 400)
      let entry = try firstValue("the entry of \(route)") {
        lab.gateway.entries("request").first { $0["route"] as? String == route }
      }
      #expect((entry["reason"] as? String)?.contains("TLS handshake on a plain HTTP port") == true)
    }
  }

  @Test func `each refused connection writes one entry`() throws {
    let lab = try Lab { $0.log["level"] = "info" }
    for _ in 0..<50 { #expect(try lab.connect().send([0xff, 0xfe]).receive().status == 400) }
    #expect(try lab.get("/x").status == 404)
    _ = try entry(lab, status: 404)
    #expect(lab.gateway.entries("request").count == 51)
  }

  @Test func `the entry of an error has its code, and that of a 401 its reason`() throws {
    let lab = try Lab()
    let expired = JWT.caller(expiresIn: -120)
    for (request, status, code, reason) in [
      (Request.make("POST", "/nothing"), 404, "not_found", nil), (Request.make("GET"), 405, "method_not_allowed", nil),
      (Request.make(token: expired), 401, "unauthorized", "expired"),
      (Request.make(contentType: "text/plain"), 415, "unsupported_media_type", nil),
      (Request.make(fields: "Content-Encoding: gzip\r\n"), 415, "unsupported_media_type", nil),
      (Request.make(body: "["), 400, "bad_json", nil),
    ] as [([UInt8], Int, String, String?)] {
      let seen = lab.gateway.entries("request").count
      let response = try lab.call(request)
      #expect(response.status == status && response.errorCode == code)
      let entry = try firstValue("the entry of \(status)") {
        lab.gateway.entries("request").dropFirst(seen).first { $0["status"] as? Int == status }
      }
      #expect(entry["code"] as? String == code)
      let logged = entry["reason"] as? String
      #expect(reason.map { logged?.contains($0) == true } ?? (logged == nil))
      if let reason { #expect(!response.text.contains(reason)) }
    }
    #expect(try lab.call().status == 200)
    let good = try entry(lab, status: 200)
    #expect(good["code"] == nil && good["reason"] == nil)
    #expect(!lab.gateway.log.contains(expired))
  }

  @Test func `a client that leaves has an entry with 499 and the code client_left`() throws {
    let lab = try Lab()
    for request in [Request.make(), Request.make("POST", Request.set, body: Request.setBody)] {
      let seen = lab.gateway.entries("request").count
      let connection = try lab.begin(.delay(0.5), request)
      connection.socket.reset()
      let entry = try firstValue("the entry") { lab.gateway.entries("request").dropFirst(seen).first }
      #expect(entry["status"] as? Int == 499 && entry["code"] as? String == "client_left")
    }
  }
}
