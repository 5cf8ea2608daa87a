import Foundation
import TestSupport
import Testing

@Suite("The admin listener", .blocking)
struct AdminTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  /// Waits for this status in /readyz and returns the response.
  private func readyz(_ status: String) throws -> TestMessage {
    try firstValue(status) {
      let response = try lab.ask("/readyz")
      return response.json?["status"] as? String == status ? response : nil
    }
  }

  @Test func `the admin listener reports live and ready without a token`() throws {
    #expect(try lab.ask("/livez").status == 200)
    let ready = try readyz("ready")
    #expect(ready.status == 200)
    #expect((ready.json?["reasons"] as? [Any])?.isEmpty == true)
    #expect(ready["Content-Type"]?.hasPrefix("application/json") == true)
    #expect(try lab.ask("/nothing").status == 404)
  }

  @Test func `admin paths exist on the admin listener only, and public paths on the public one only`() throws {
    for path in ["/livez", "/readyz", "/metrics"] {
      #expect(try lab.get(path).status == 404)
    }
    #expect(try lab.ask(Request.token).status == 404)
  }

  @Test func `an upstream that is down makes readiness degraded, with status 200`() throws {
    lab.upstream.stop()
    #expect([502, 503].contains(try lab.call().status))
    let response = try readyz("degraded")
    #expect(response.status == 200)
    let reason = try #require((response.json?["reasons"] as? [[String: Any]])?.first)
    #expect((reason["component"] as? String)?.contains("main") == true)
    #expect((reason["since"] as? String)?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/) != nil)
    #expect(!response.text.contains("127.0.0.1"))
  }

  @Test func `the metrics count requests and calls by the labels of the contract`() throws {
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    #expect(try lab.call(Request.make("POST", Request.set, body: Request.setBody)).status == 200)
    #expect(try lab.get("/x").status == 404)
    lab.upstream.script(.response(#"{"code":500,"error":"no"}"#))
    #expect(try lab.call().status == 200)

    let expected: [(name: String, labels: [String: String], value: Double)] = [
      ("gateway_http_requests_total", ["route": Request.values, "method": "POST", "status": "200"], 4),
      ("gateway_http_requests_total", ["route": "unmatched", "method": "GET", "status": "404"], 1),
      ("gateway_http_request_duration_seconds_count", ["route": Request.values], 4),
      ("gateway_upstream_requests_total", ["adapter": "main", "operation": "values", "class": "ok"], 3),
      ("gateway_upstream_requests_total", ["adapter": "main", "operation": "values", "class": "business_error"], 1),
      ("gateway_upstream_request_duration_seconds_count", ["adapter": "main", "operation": "values"], 4),
      ("gateway_upstream_inflight", ["adapter": "main"], 0),
      ("gateway_writes_total", ["adapter": "main", "kind": "set", "outcome": "ok"], 1),
      ("gateway_token_refresh_total", ["adapter": "main", "outcome": "authorized"], 1),
      ("gateway_breaker_state", ["adapter": "main"], 0), ("gateway_store_up", [:], 1),
      ("gateway_config_snapshots_live", [:], 1), ("gateway_config_last_reload_successful", [:], 1),
      ("gateway_coalesced_requests_total", ["adapter": "main", "kind": "identical"], 0),
    ]
    for (name, labels, value) in expected {
      // The gateway may count a response after it has sent its last byte.
      try eventually("\(name) \(labels) to be \(value); it is \(try lab.metric(name, labels) ?? -1)") {
        try lab.metric(name, labels) == value
      }
    }
    let expiry = try #require(try lab.metric("gateway_token_expires_at_seconds", ["adapter": "main"]))
    #expect(abs(expiry - Date().timeIntervalSince1970 - 7200) < 60)
    #expect(try #require(try lab.metric("process_resident_memory_bytes")) > 1_000_000)
    #expect(try lab.ask("/metrics")["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
  }

  @Test func `the connection gauge rises and falls with the open connections`() throws {
    var open = try (0..<5).map { _ in try lab.connect() }
    for connection in open { #expect(try connection.send(Request.make()).receive().status == 200) }
    try lab.awaitConnections(5)
    for connection in open { connection.socket.close() }
    open.removeAll()
    try lab.awaitConnections(0)
  }
}
