import Foundation
import TestSupport
import Testing

@Suite("An upstream that can't be reached is visible", .blocking)
struct UpstreamHealthTests {
  private static let quick = GatewayConfiguration.upstream([
    "connect_timeout": "200ms", "first_byte_timeout": "200ms", "total_timeout": "2s", "read_retries": "0",
  ])
  private static let down = "the upstream can't be reached"
  private static let up = "the upstream can be reached again"

  /// The reasons in /readyz as `component code`; the status must fit them.
  private func reasons(_ lab: Lab) throws -> [String] {
    let response = try lab.ask("/readyz")
    let reasons = (response.json?["reasons"] as? [[String: Any]] ?? []).map {
      "\($0["component"] as? String ?? "") \($0["code"] as? String ?? "")"
    }
    #expect(response.status == 200)
    #expect(response.json?["status"] as? String == (reasons.isEmpty ? "ready" : "degraded"))
    return reasons
  }

  private func isUp(_ lab: Lab) throws -> Double? { try lab.metric("gateway_upstream_up", ["adapter": "main"]) }

  private func lines(_ lab: Lab, with text: String) -> [String] {
    lab.gateway.log.split(separator: "\n").map(String.init).filter { $0.contains(text) }
  }

  /// Waits until the log has lines that were written before this.
  private func settleLog(_ lab: Lab) throws {
    let id = UUID().uuidString
    _ = try lab.call(Request.make("GET", "/none", body: nil, fields: "X-Request-Id: \(id)\r\n"), to: "GET")
    try eventually("the log") { lab.gateway.log.contains(id) }
  }

  @Test
  func `three failed calls in a row are degraded, the first response is ready, and the log has one line for each`()
    throws
  {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.always(.reset)
    for _ in 0..<2 { #expect(try lab.call().outcome == "502 upstream_unreachable") }
    #expect(try reasons(lab) == [])
    #expect(try isUp(lab) == 1)
    for _ in 0..<20 { #expect(try lab.call().outcome == "502 upstream_unreachable") }
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
    #expect(try isUp(lab) == 0)
    lab.upstream.always(nil)
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    #expect(try reasons(lab) == [])
    #expect(try isUp(lab) == 1)
    try settleLog(lab)
    #expect(lines(lab, with: Self.down).count == 1)
    #expect(lines(lab, with: Self.up).count == 1)
    for line in lines(lab, with: Self.down) + lines(lab, with: Self.up) {
      #expect(line.contains("\"adapter\":\"main\"") && line.contains("\"address\":\"\(lab.upstream.url)\""))
    }
  }

  @Test func `31 calls at once to an upstream that has gone are one change`() throws {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.stop()
    let connections = try (0..<31).map { _ in try lab.connect().send(Request.make()) }
    for connection in connections { #expect(try connection.receive().outcome == "502 upstream_unreachable") }
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
    try settleLog(lab)
    #expect(lines(lab, with: Self.down).count == 1)
  }

  @Test func `an upstream that accepts and never responds is unreachable too`() throws {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.always(.hang)
    for _ in 0..<3 { #expect(try lab.call().outcome == "504 upstream_timeout") }
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
  }

  @Test(arguments: [
    ("500", UpstreamStep.response("sick", status: "500 Internal Server Error")),
    ("503", .response("sick", status: "503 Service Unavailable")), ("a business error", .envelope(500)),
    ("HTML", .response("<html>")), ("no HTTP", .raw("garbage\r\n\r\n")),
    ("a response that is cut off", .raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"code\":200")),
  ])
  func `an upstream that responds, whatever it says, is not unreachable`(_ name: String, _ step: UpstreamStep) throws {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.always(step)
    for _ in 0..<6 { _ = try lab.call() }
    #expect(try reasons(lab) == [], "\(name)")
    #expect(try isUp(lab) == 1)
  }

  @Test func `a proxy's 503 does not end the state, and the upstream's own error does`() throws {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.always(.reset)
    for _ in 0..<3 { _ = try lab.call() }
    lab.upstream.always(.response("no backend", status: "503 Service Unavailable"))
    #expect(try lab.call().status == 503)
    #expect(try isUp(lab) == 0)
    lab.upstream.always(.envelope(500))
    #expect(try lab.call().status == 200)
    #expect(try isUp(lab) == 1)
  }

  @Test func `the log line of a failed call names the adapter and the address without its path`() throws {
    let lab = try Lab(Self.quick, environment: ["BASE_URL": "http://127.0.0.1:1/a/secret/path"])
    for request in [Request.make(), Request.make("POST", Request.set, body: Request.setBody)] {
      #expect(try lab.call(request).status >= 502)
    }
    try settleLog(lab)
    let failed = lines(lab, with: "a request was not served") + lines(lab, with: "write failed")
    let calls = failed.filter { $0.contains("upstream_unreachable") || $0.contains("no_token") || $0.contains("write") }
    #expect(calls.count == 3)
    for line in calls + lines(lab, with: "issued no new token") {
      #expect(line.contains("\"adapter\":\"main\"") && line.contains("\"address\":\"http://127.0.0.1:1\""), "\(line)")
    }
    // The line at the start names the configured address, with its path.
    #expect(!(calls + lines(lab, with: "issued no new token")).contains { $0.contains("/a/secret/path") })
  }

  // MARK: the start

  @Test func `the token is fetched at the start, once, and the first caller uses it`() throws {
    let lab = try Lab()
    try eventually("the token") { lab.upstream.count(.authorization) == 1 }
    #expect(lab.upstream.calls.count == 1)
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test func `callers that come during the fetch at the start wait for it and make no exchange of their own`() throws {
    let lab = try Lab(isStarted: false)
    let gate = Gate()
    lab.upstream.scriptTokens(.held(by: gate))
    try lab.gateway.start()
    try eventually("the fetch") { lab.upstream.tokenCalls == 1 }
    let connections = try (0..<20).map { _ in try lab.connect().send(Request.make()) }
    try lab.awaitConnections(20)
    gate.open()
    for connection in connections { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test func `a stored good token is used after a restart, without a fetch`() throws {
    let lab = try Lab()
    try eventually("the token") { try lab.metric("gateway_token_refresh_total", ["outcome": "authorized"]) == 1 }
    try lab.gateway.stop()
    lab.upstream.forgetCalls()
    try lab.gateway.start()
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.tokenCalls == 0)
  }

  @Test func `a wrong app_id is reported before the first caller, with the upstream's sentence in the log`() throws {
    let lab = try Lab(environment: ["APP_ID": "wrong-\(UUID().uuidString)"])
    try eventually("the reason") { try reasons(lab) == ["adapter:main no_token"] }
    #expect(try isUp(lab) == 1)
    try eventually("the log's line") { !lines(lab, with: "code 304: invalid appId").isEmpty }
    #expect(try lab.call().outcome == "503 no_token")
  }

  @Test func `an upstream that is unreachable at the start is reported before the first caller, and its return, too`()
    throws
  {
    let lab = try Lab(isStarted: false)
    let gate = Gate()
    lab.upstream.scriptTokens(.reset, .held(by: gate))
    try lab.gateway.start()
    try eventually("the reasons") {
      try Set(reasons(lab)) == ["adapter:main no_token", "adapter:main upstream_unreachable"]
    }
    #expect(try isUp(lab) == 0)
    gate.open()
    // Without a caller.
    try eventually("ready") { try reasons(lab) == [] && isUp(lab) == 1 }
    #expect(lab.upstream.dataCalls.isEmpty)
    try settleLog(lab)
    #expect(lines(lab, with: Self.down).count == 1)
    #expect(lines(lab, with: Self.up).count == 1)
  }

  @Test func `SIGTERM during a fetch that hangs ends the gateway soon`() throws {
    let lab = try Lab(
      GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"]), isStarted: false)
    lab.upstream.scriptTokens(.hang)
    try lab.gateway.start()
    try eventually("the fetch") { lab.upstream.tokenCalls == 1 }
    lab.gateway.signal(SIGTERM)
    // Far less than the exchange's own limit.
    #expect(try lab.gateway.waitForExit(within: 15) == 0)
  }

  // MARK: reload

  @Test func `a reload that replaces or removes the adapter removes its reasons`() throws {
    let lab = try Lab(Self.quick).withToken()
    lab.upstream.always(.reset)
    for _ in 0..<3 { _ = try lab.call() }
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
    // Another setting of the same upstream.
    try lab.reload(GatewayConfiguration.upstream(["first_byte_timeout": "300ms", "read_retries": "0"]).text)
    #expect(try reasons(lab) == [])
    #expect(try isUp(lab) == 1)
    for _ in 0..<3 { _ = try lab.call() }
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
    // The same settings: the instance stays, and so does its reason.
    try lab.reload(GatewayConfiguration.upstream(["first_byte_timeout": "300ms", "read_retries": "0"]).text + "# x\n")
    #expect(try reasons(lab) == ["adapter:main upstream_unreachable"])
    try lab.reload(GatewayConfiguration { $0.defaults["adapter"] = "demo" }.text)
    #expect(try reasons(lab) == [])
    #expect(try isUp(lab) == nil)
  }

  @Test func `a reload to an upstream without a token reports that one, although the old one ends later`() throws {
    let lab = try Lab(Self.quick, environment: ["BASE_URL_2": "http://127.0.0.1:1"]).withToken()
    lab.upstream.always(.hang)
    let waiting = try lab.connect().send(Request.make("POST", Request.set, body: Request.setBody))
    try eventually("the call") { !lab.upstream.dataCalls.isEmpty }
    try lab.reload(
      GatewayConfiguration { $0.adapters["main"]?.settings["base_url"] = "{env: BASE_URL_2}" }.text)
    let expected: Set = ["adapter:main no_token", "adapter:main upstream_unreachable"]
    try eventually("the reasons") { try Set(reasons(lab)) == expected }
    #expect(try waiting.receive().status == 504)
    try eventually("the end of the old adapter") { try lab.metric("gateway_config_snapshots_live") == 1 }
    #expect(try Set(reasons(lab)) == expected)
  }
}
