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
    try lab.expectHealthy()
    lab.upstream.stop()
    for _ in 0..<3 { #expect(try lab.call().status == 502) }
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
      ("gateway_coalesced_requests_total", ["adapter": "main", "kind": "identical"], 0), ("gateway_build_info", [:], 1),
      ("gateway_upstream_queue_length", ["adapter": "main"], 0),
      ("gateway_upstream_queue_wait_seconds_count", ["adapter": "main"], 0),
      ("gateway_upstream_connections", ["adapter": "main", "state": "active"], 0),
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

  @Test func `the queue's length, the waiting time and the connections of an upstream are shown`() throws {
    let lab = try Lab(.upstream(["max_in_flight": "1", "queue": "{size: 8, wait: 60s}"])).withToken()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(.held(by: gate))
    let callers = try (0..<3).map { try lab.connect().send(Request.make(body: #"{"codes":["P\#($0)"]}"#)) }
    func metric(_ name: String, _ state: String? = nil) throws -> Double? {
      try lab.metric("gateway_upstream_\(name)", ["adapter": "main"].merging(state.map { ["state": $0] } ?? [:]) { $1 })
    }
    try eventually("two calls that wait") { try metric("queue_length") == 2 }
    #expect(try metric("connections", "active") == 1 && metric("inflight") == 3)
    gate.open()
    for caller in callers { #expect(try caller.receive().status == 200) }
    try eventually("no call") { try metric("queue_length") == 0 && metric("connections", "active") == 0 }
    #expect(try metric("queue_wait_seconds_count") == 2 && metric("queue_wait_seconds_sum") ?? 0 > 0)
    #expect(try metric("connections", "idle") ?? 0 >= 1)
  }

  @Test func `the bytes of clients and upstreams are counted, of long responses too`() throws {
    let lab = try Lab().withToken()
    func bytes(_ side: String, _ way: String) throws -> Double {
      try lab.metric("gateway_\(side)_\(way)_bytes_total") ?? -1
    }
    let before = try (bytes("http", "received"), bytes("http", "sent"), bytes("upstream", "received"))
    let long = #"{"code":200,"x":"\#(String(repeating: "x", count: 1 << 20))"}"#
    lab.upstream.script(.response(long))
    let request = Request.make()
    #expect(try lab.call(request).body.count == long.utf8.count)
    #expect(try bytes("http", "received") - before.0 == Double(request.count))
    for (now, before) in [(try bytes("http", "sent"), before.1), (try bytes("upstream", "received"), before.2)] {
      // The body and a head.
      #expect(now - before > Double(long.utf8.count) && now - before < Double(long.utf8.count + 2048))
    }
    #expect(try bytes("upstream", "sent") > 0)
  }

  @Test func `the calls left in a budget are shown for each of its limits`() throws {
    let lab = try Lab(.upstream(["budget": "{per_minute: 10, per_day: 100}"]))
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    let spent = Double(lab.upstream.calls.count)
    #expect(try lab.metric("gateway_budget_remaining", ["adapter": "main", "window": "minute"]) == 10 - spent)
    #expect(try lab.metric("gateway_budget_remaining", ["adapter": "main", "window": "day"]) == 100 - spent)
    #expect(try lab.metric("gateway_budget_remaining", ["window": "hour"]) == nil)
    #expect(try lab.metric("gateway_budget_remaining", ["adapter": "demo"]) == nil)
  }

  @Test func `a caller's mistake in a write, and one that was not sent, are not counted as failed writes`() throws {
    func failed(_ lab: Lab) throws -> Double? { try lab.metric("gateway_writes_total", ["outcome": "failed"]) }
    let demo = try Lab { $0.defaults["adapter"] = "demo" }
    for body in [#"{"aryPoints":[]}"#, #"{"aryPoints":[{"pointId":1}]}"#, "{}"] {
      #expect(try demo.call(Request.make("POST", Request.set, body: body)).status == 400)
    }
    #expect(try failed(demo) == 0)
    let set = Request.make("POST", Request.set, body: Request.setBody)
    let spent = try Lab(.upstream(["budget": "{per_hour: 1}"]))
    #expect(try spent.call(set).status == 503)
    #expect(try failed(spent) == 0)
    let away = try Lab().withToken()
    away.upstream.stop()
    #expect(try away.call(set).status == 502)
    try eventually("the count") { try failed(away) == 1 }
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
