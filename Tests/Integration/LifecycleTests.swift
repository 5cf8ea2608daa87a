import Foundation
import TestSupport
import Testing

@Suite("Start and end of the process", .blocking)
struct LifecycleTests {
  private static let patient = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])

  /// A gateway that is not started, for commands that end by themselves.
  private func program(_ text: String = GatewayConfiguration().text, _ upstream: ScriptedWebTalk? = nil) throws
    -> GatewayProcess
  {
    try GatewayProcess(text, environment: Lab.environment(upstream))
  }

  @Test func `run prints exactly one line on stdout and logs to stderr`() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    let ready = /ready http:\/\/127\.0\.0\.1:\d+ admin http:\/\/127\.0\.0\.1:\d+\n/
    #expect(lab.gateway.standardOutput.wholeMatch(of: ready) != nil)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.standardOutput.split(separator: "\n").count == 1)
    for line in lab.gateway.log.split(separator: "\n") {
      let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
      #expect(object?["msg"] is String && object?["level"] is String && object?["time"] is String, "\(line)")
    }
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `SIGTERM and SIGINT let a request in flight end, refuse new ones and exit with 0`(_ signal: Int32) throws {
    let lab = try Lab().withToken()
    let idle = try lab.connect()
    #expect(try idle.send(Request.make("GET", "/x", body: nil)).receive().status == 404)
    let busy = try lab.begin(.delay(2))
    lab.gateway.signal(signal)
    #expect(idle.isClosed(within: 3), "an idle connection ends at once")
    try eventually("new connections to be refused") { (try? lab.connect()) == nil }
    #expect(lab.upstream.busyPeer != nil, "new connections are refused while the request is in flight")
    #expect(try busy.receive().status == 200)
    #expect(busy.isClosed())
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `a drain waits for a write whose client has left, and the outcome is logged`() throws {
    let lab = try Lab().withToken()
    let connection = try lab.begin(.delay(1), Request.make("POST", Request.set, body: Request.setBody))
    connection.socket.reset()
    try lab.awaitConnections(0)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    let entry = /"msg":"client left before the response of its write".*"operation":"set","upstream":"ok"/
    #expect(lab.gateway.log.contains(entry))
  }

  /// A gateway with its token, whose drain ends while requests are in flight.
  private func impatient(_ change: (inout GatewayConfiguration) -> Void = { _ in }) throws -> Lab {
    try Lab(Self.patient) {
      $0.listen["drain_timeout"] = "300ms"
      $0.defaults["timeout"] = "60s"
      change(&$0)
    }.withToken()
  }

  private static let set = Request.make("POST", Request.set, body: Request.setBody)

  /// Expects the response to a request that the end of the drain has cut, then the end of its connection.
  private func expectDraining(_ connection: RawConnection, isUnknown: Bool = false) throws {
    let response = try connection.receive()
    #expect(response.outcome == "503 draining")
    #expect(response["Retry-After"] != nil && !response.keepsAlive)
    #expect(response.json?["requestId"] as? String == response["X-Request-Id"])
    #expect(response.json?["outcome"] as? String == (isUnknown ? "unknown" : nil))
    #expect(connection.isClosed())
  }

  /// Expects the line of the log about the requests that outlasted the drain.
  private func expectCuts(_ lab: Lab, answered: Int = 0, cut: Int = 0, writes: Int = 0) throws {
    #expect(try lab.gateway.waitForExit(within: 10) == 0)
    let line = #""answered503":\#(answered),"responsesCut":\#(cut),"writesUnknown":\#(writes)}"#
    #expect(lab.gateway.log.contains(line), "\(lab.gateway.log.suffix(1500))")
  }

  @Test func `past drain_timeout a read without a response gets 503 draining`() throws {
    let lab = try impatient()
    let connection = try lab.begin(.hang)
    lab.gateway.signal(SIGTERM)
    try expectDraining(connection)
    try expectCuts(lab, answered: 1)
    #expect(lab.gateway.log.contains(/"msg":"request".*"status":503/))
  }

  @Test(arguments: ["values", "history"])
  func `past drain_timeout the leader and the waiters of a shared call get 503 draining`(_ operation: String) throws {
    let lab = try impatient { $0.routes[operation] = ["coalesce": "true"] }
    let path = operation == "values" ? Request.values : Request.history
    var connections = [try lab.begin(.hang, Request.make("POST", path))]
    for _ in 0..<3 { connections.append(try lab.connect().send(Request.make("POST", path))) }
    try eventually("waiters") { try lab.metric("gateway_coalesced_requests_total", ["kind": "identical"]) == 3 }
    lab.gateway.signal(SIGTERM)
    for connection in connections { try expectDraining(connection) }
    try expectCuts(lab, answered: 4)
  }

  @Test func `past drain_timeout the callers of a merged call get 503 draining`() throws {
    let lab = try impatient { $0.routes["values"] = ["batch": "{window: 5ms, max: 50}"] }
    let connection = try lab.begin(.hang)
    lab.gateway.signal(SIGTERM)
    try expectDraining(connection)
    try expectCuts(lab, answered: 1)
  }

  @Test func `past drain_timeout a write that was sent gets 503 draining with an unknown outcome, and is logged`()
    throws
  {
    let lab = try impatient()
    let connection = try lab.begin(.hang, Self.set)
    lab.gateway.signal(SIGTERM)
    try expectDraining(connection, isUnknown: true)
    try expectCuts(lab, answered: 1, writes: 1)
    #expect(lab.gateway.log.contains(/"msg":"write failed".*"operation":"set".*"outcome":"unknown"/))
  }

  @Test func `past drain_timeout a write that waits for its turn gets 503 draining, and was not carried out`() throws {
    let lab = try impatient { $0.adapters["main"]?.settings["max_in_flight"] = "1" }
    let first = try lab.begin(.hang, Self.set)
    let second = try lab.connect().send(Self.set)
    try eventually("two requests") { try lab.metric("gateway_http_connections") == 2 }
    lab.gateway.signal(SIGTERM)
    try expectDraining(second)
    try expectDraining(first, isUnknown: true)
    try expectCuts(lab, answered: 2, writes: 1)
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `past drain_timeout a request whose body is not complete gets 503 draining`() throws {
    let lab = try impatient { $0.listen["body_timeout"] = "60s" }
    let connection = try lab.connect().send(Array(Request.make().dropLast(3)))
    try eventually("the request") { try lab.metric("gateway_http_connections") == 1 }
    lab.gateway.signal(SIGTERM)
    try expectDraining(connection)
    try expectCuts(lab, answered: 1)
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test func `past drain_timeout a request that waits for a token gets 503 draining`() throws {
    let lab = try Lab(Self.patient, isStarted: false) {
      $0.listen["drain_timeout"] = "300ms"
      $0.defaults["timeout"] = "60s"
    }
    lab.upstream.scriptTokens(.hang)
    try lab.gateway.start()
    let connections = try [Request.make(), Self.set].map { try lab.connect().send($0) }
    try eventually("the token's call") { lab.upstream.tokenCalls == 1 }
    lab.gateway.signal(SIGTERM)
    for connection in connections { try expectDraining(connection) }
    try expectCuts(lab, answered: 2)
  }

  @Test func `past drain_timeout a response that has begun is cut, and its client notices`() throws {
    let lab = try impatient()
    lab.upstream.script(
      UpstreamStep { _, peer, _ in LongBody(count: 1 << 20).send(to: peer, upTo: 200_000) && peer.wait(600) })
    let connection = try lab.connect().send(Request.make())
    #expect(try connection.receiveHead().status == 200)
    lab.gateway.signal(SIGTERM)
    #expect(connection.socket.receiveAll().end == .reset)
    try expectCuts(lab, cut: 1)
  }

  @Test func `past drain_timeout a write whose client has left is logged with an unknown outcome`() throws {
    let lab = try impatient()
    let connection = try lab.begin(.hang, Self.set)
    connection.socket.reset()
    try lab.awaitConnections(0)
    lab.gateway.signal(SIGTERM)
    try expectCuts(lab, writes: 1)
  }

  @Test func `a drain in which all requests end in time reports none that outlasted it`() throws {
    let lab = try Lab().withToken()
    let connection = try lab.begin(.delay(0.3))
    lab.gateway.signal(SIGTERM)
    #expect(try connection.receive().status == 200)
    connection.socket.close()
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(!lab.gateway.log.contains("drain_timeout was over"))
  }

  @Test func `/readyz returns 503 during a drain`() throws {
    let lab = try Lab().withToken()
    let connection = try lab.begin(.delay(2))
    lab.gateway.signal(SIGTERM)
    let response = try firstValue("503 of /readyz") { () -> TestMessage? in
      let response = try lab.ask("/readyz")
      return response.status == 503 ? response : nil
    }
    #expect(response.json?["status"] as? String == "draining")
    #expect(try connection.receive().status == 200)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test(
    arguments: [
      ("  address: 127.0.0.1:0\n", "  address: 127.0.0.1:0\n  tls: {certificate: a.pem, key: a.key}\n", "'tls'"),
      ("base_url: {env: BASE_URL}", "base_url: \"https://upstream.example\"", "TLS"),
    ])
  func `TLS that is configured and not implemented is an error of check and of run`(
    _ old: String, _ new: String, _ name: String
  ) throws {
    var text = GatewayConfiguration().text
    let place = try #require(text.range(of: old))
    text.replaceSubrange(place, with: new)
    let gateway = try program(text)
    #expect(try gateway.run("check") == 1)
    #expect(gateway.standardOutput.contains(": error: ") && gateway.standardOutput.contains(name))
    #expect(try gateway.run("run") == 1)
    #expect(gateway.log.contains(name))
  }

  @Test func `a port in use makes run exit with 3 and name the address, for both listeners`() throws {
    for listener in [\GatewayConfiguration.listen, \.admin] {
      let taken = try TestSocket.listening()
      var configuration = GatewayConfiguration()
      configuration[keyPath: listener]["address"] = "127.0.0.1:\(taken.port)"
      let gateway = try program(configuration.text)
      #expect(try gateway.run("run") == 3)
      #expect(gateway.log.contains(String(taken.port)))
      #expect(gateway.standardOutput.isEmpty)
    }
  }

  @Test func `a second gateway on the same port does not start`() throws {
    let lab = try Lab()
    var configuration = GatewayConfiguration()
    configuration.listen["address"] = "127.0.0.1:\(lab.gateway.port)"
    let second = try program(configuration.text)
    #expect(try second.run("run") == 3)
    try lab.expectHealthy()
  }

  @Test(arguments: ["check", "run"])
  func `a bad configuration makes check and run exit with 1 and report every problem with its position`(_ verb: String)
    throws
  {
    var configuration = GatewayConfiguration()
    configuration.listen["adress"] = "x"
    configuration.listen["idle_timeout"] = "5"
    let gateway = try program(configuration.text)
    #expect(try gateway.run(verb) == 1)
    let all = gateway.log + gateway.standardOutput
    #expect(all.contains(/gateway\.yaml:\d+:\d+: error: .*adress/))
    #expect(all.contains(/gateway\.yaml:\d+:\d+: error: .*idle_timeout/))
    #expect(all.contains("2 errors"))
  }

  @Test func `check accepts a good configuration and starts nothing`() throws {
    let upstream = try ScriptedWebTalk()
    let gateway = try program(GatewayConfiguration().text, upstream)
    #expect(try gateway.run("check") == 0)
    #expect(upstream.calls.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: gateway.folder.appending(path: "pointgate.db").path))
  }

  @Test func `token issue prints only a token that the gateway accepts`() throws {
    let lab = try Lab()
    let other = try GatewayProcess(GatewayConfiguration().text, environment: lab.gateway.environment)
    let arguments = ["token", "issue", "--sub", "tester", "--role", "admin", "--config", other.configFile.path]
    #expect(try other.run(arguments) == 0)
    let lines = other.standardOutput.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(try lab.call(Request.make(token: String(lines.first ?? ""))).status == 200)
  }
}
