import Foundation
import TestSupport
import Testing

@Suite("Start and end of the process", .blocking)
struct LifecycleTests {
  @Test("run prints exactly one line on stdout, and its log goes to stderr")
  func readyLine() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    #expect(
      lab.gateway.standardOutput.wholeMatch(of: /ready http:\/\/127\.0\.0\.1:\d+ admin http:\/\/127\.0\.0\.1:\d+\n/)
        != nil)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.standardOutput.split(separator: "\n").count == 1)
    // Warnings about the configuration come first, in their own form, for whoever starts it.
    for line in lab.gateway.log.split(separator: "\n") where !line.contains("gateway.yaml:") {
      let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
      #expect(object?["msg"] is String && object?["level"] is String && object?["time"] is String, "\(line)")
    }
  }

  @Test("SIGTERM and SIGINT let a request in flight end, take no new ones, and exit 0", arguments: [SIGTERM, SIGINT])
  func drain(_ signal: Int32) throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(2))
    let (busy, idle) = (try lab.connect(), try lab.connect())
    #expect(try idle.send(Request.make("GET", "/x", body: nil)).receive().status == 404)
    busy.send(Request.make())
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(signal)
    #expect(idle.isClosed(within: 3), "an idle connection ends at once")
    try eventually("new connections to be refused") { (try? lab.connect()) == nil }
    #expect(lab.upstream.busyPeer != nil, "refused while the request is still in flight, not only at the end")
    let answer = try busy.receive()
    #expect(answer.status == 200)
    #expect(busy.isClosed())
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test("a write whose caller has gone is followed to its end by a drain too, and its outcome is logged")
  func drainFollowsWrites() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(1))
    let connection = try lab.connect()
    connection.send(Request.make("POST", Request.set, body: Request.setBody))
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    connection.socket.reset()
    try eventually("the caller to be gone") { try lab.metric("gateway_http_connections") == 0 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.log.contains(/"operation":"set","outcome":"ok"/))
  }

  @Test("a write that a drain cannot wait for is logged all the same")
  func drainTimeoutOfWrite() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "500ms"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make("POST", Request.set, body: Request.setBody))
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit(within: 8) == 0)
    #expect(lab.gateway.log.contains(/"operation":"set","outcome":/))
  }

  @Test("while it drains, /readyz says so with 503")
  func drainingHealth() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(2))
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    let answer = try firstValue("503 of /readyz") { () -> Answer? in
      let answer = try lab.ask("/readyz")
      return answer.status == 503 ? answer : nil
    }
    #expect(answer.json?["status"] as? String == "draining")
    #expect(try connection.receive().status == 200)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test("what does not end within the drain timeout is cut off")
  func drainTimeout() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "500ms"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit(within: 8) == 0)
  }

  @Test("a second signal ends at once")
  func secondSignal() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "60s"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    try eventually("draining") { try lab.ask("/readyz").status == 503 }
    lab.gateway.signal(SIGTERM)
    _ = try lab.gateway.waitForExit(within: 5)
  }

  @Test(
    "what would be unsafe to run without is a warning of check, and stops run",
    arguments: [
      ("  address: 127.0.0.1:0\n", "  address: 127.0.0.1:0\n  tls: {certificate: a.pem, key: a.key}\n", "'tls'"),
      ("base_url: {env: BASE_URL}", "base_url: \"https://upstream.example\"", "TLS"),
    ])
  func unsafe(_ old: String, _ new: String, _ name: String) throws {
    var text = GatewayConfiguration().text
    let place = try #require(text.range(of: old))
    text.replaceSubrange(place, with: new)
    let gateway = try GatewayProcess(text, environment: Lab.environment(nil))
    #expect(try gateway.run(["check", "--config", gateway.configFile.path]) == 0)
    #expect(gateway.standardOutput.contains("warning: ") && gateway.standardOutput.contains(name))
    #expect(try gateway.run(["run", "--config", gateway.configFile.path]) == 1)
    #expect(gateway.log.contains(name))
  }

  @Test("a port in use is exit 3, with the address named, for both listeners", arguments: ["listen", "admin"])
  func portInUse(_ which: String) throws {
    let taken = try TestSocket.listening()
    var configuration = GatewayConfiguration()
    if which == "listen" {
      configuration.listen["address"] = "127.0.0.1:\(taken.port)"
    } else {
      configuration.admin["address"] = "127.0.0.1:\(taken.port)"
    }
    let gateway = try GatewayProcess(configuration.text, environment: Lab.environment(nil))
    #expect(try gateway.run(["run", "--config", gateway.configFile.path]) == 3)
    #expect(gateway.log.contains(String(taken.port)))
    #expect(gateway.standardOutput.isEmpty)
  }

  @Test("two gateways cannot share a port")
  func portOfAnother() throws {
    let lab = try Lab()
    var configuration = GatewayConfiguration()
    configuration.listen["address"] = "127.0.0.1:\(lab.gateway.port)"
    let second = try GatewayProcess(configuration.text, environment: Lab.environment(nil))
    #expect(try second.run(["run", "--config", second.configFile.path]) == 3)
    try lab.expectHealthy()
  }

  @Test(
    "a bad configuration is exit 1 with every problem and its position, from check and from run",
    arguments: ["check", "run"])
  func badConfiguration(_ verb: String) throws {
    var configuration = GatewayConfiguration()
    configuration.listen["adress"] = "x"
    configuration.listen["idle_timeout"] = "5"
    let gateway = try GatewayProcess(configuration.text, environment: Lab.environment(nil))
    #expect(try gateway.run([verb, "--config", gateway.configFile.path]) == 1)
    let all = gateway.log + gateway.standardOutput
    #expect(all.contains(/gateway\.yaml:\d+:\d+: error: .*adress/))
    #expect(all.contains(/gateway\.yaml:\d+:\d+: error: .*idle_timeout/))
    #expect(all.contains("2 errors"))
  }

  @Test("a good configuration passes check, which starts nothing")
  func goodConfiguration() throws {
    let upstream = try ScriptedUpstream()
    let gateway = try GatewayProcess(GatewayConfiguration().text, environment: Lab.environment(upstream))
    #expect(try gateway.run(["check", "--config", gateway.configFile.path]) == 0)
    #expect(upstream.calls.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: gateway.folder.appending(path: "pointgate.db").path))
  }

  @Test("wrong usage is exit 2", arguments: [["no-such-verb"], ["run", "--no-such-option"], ["check", "--config"]])
  func usage(_ arguments: [String]) throws {
    let gateway = try GatewayProcess("", environment: Lab.environment(nil))
    #expect(try gateway.run(arguments) == 2)
    #expect(!gateway.log.isEmpty)
  }

  @Test("token issue signs what the gateway accepts, alone on stdout")
  func issuedToken() throws {
    let lab = try Lab()
    let other = try GatewayProcess(GatewayConfiguration().text, environment: lab.gateway.environment)
    let arguments = ["token", "issue", "--sub", "tester", "--role", "admin", "--config", other.configFile.path]
    #expect(try other.run(arguments) == 0)
    let lines = other.standardOutput.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(try lab.call(Request.make(token: String(lines.first ?? ""))).status == 200)
  }
}
