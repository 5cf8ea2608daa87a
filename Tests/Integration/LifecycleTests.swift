import Foundation
import TestSupport
import Testing

@Suite("Start and end of the process", .blocking)
struct LifecycleTests {
  @Test func `run prints exactly one line on stdout and logs to stderr`() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    #expect(
      lab.gateway.standardOutput.wholeMatch(of: /ready http:\/\/127\.0\.0\.1:\d+ admin http:\/\/127\.0\.0\.1:\d+\n/)
        != nil)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.standardOutput.split(separator: "\n").count == 1)
    // Warnings about the configuration precede the log and are not JSON.
    for line in lab.gateway.log.split(separator: "\n") where !line.contains("gateway.yaml:") {
      let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
      #expect(object?["msg"] is String && object?["level"] is String && object?["time"] is String, "\(line)")
    }
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `SIGTERM and SIGINT let a request in flight end, refuse new ones and exit with 0`(_ signal: Int32) throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(2))
    let (busy, idle) = (try lab.connect(), try lab.connect())
    #expect(try idle.send(Request.make("GET", "/x", body: nil)).receive().status == 404)
    busy.send(Request.make())
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(signal)
    #expect(idle.isClosed(within: 3), "an idle connection ends at once")
    try eventually("new connections to be refused") { (try? lab.connect()) == nil }
    #expect(lab.upstream.busyPeer != nil, "new connections are refused while the request is in flight")
    let response = try busy.receive()
    #expect(response.status == 200)
    #expect(busy.isClosed())
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `a drain waits for a write whose client has left, and the outcome is logged`() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(1))
    let connection = try lab.connect()
    connection.send(Request.make("POST", Request.set, body: Request.setBody))
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    connection.socket.reset()
    try eventually("the caller to be gone") { try lab.metric("gateway_http_connections") == 0 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(
      lab.gateway.log.contains(
        /"msg":"client left before the response of its write".*"operation":"set","upstream":"ok"/))
  }

  @Test func `a write that outlasts the drain timeout is logged`() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "500ms"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make("POST", Request.set, body: Request.setBody))
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit(within: 8) == 0)
    #expect(
      lab.gateway.log.contains(/"msg":"write failed".*"operation":"set","upstream":"timeout","outcome":"unknown"/))
  }

  @Test func `/readyz returns 503 during a drain`() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.delay(2))
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    let response = try firstValue("503 of /readyz") { () -> Response? in
      let response = try lab.ask("/readyz")
      return response.status == 503 ? response : nil
    }
    #expect(response.json?["status"] as? String == "draining")
    #expect(try connection.receive().status == 200)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `a request that outlasts the drain timeout is cut off`() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "500ms"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit(within: 8) == 0)
  }

  @Test func `a second signal ends the process at once`() throws {
    var configuration = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])
    configuration.listen["drain_timeout"] = "60s"
    let lab = try Lab(configuration)
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.hang)
    let connection = try lab.connect()
    connection.send(Request.make())
    try eventually("the call at the upstream") { lab.upstream.dataCalls.count == 1 }
    lab.gateway.signal(SIGTERM)
    try eventually("draining") { try lab.ask("/readyz").status == 503 }
    lab.gateway.signal(SIGTERM)
    _ = try lab.gateway.waitForExit(within: 5)
  }

  @Test(
    arguments: [
      ("  address: 127.0.0.1:0\n", "  address: 127.0.0.1:0\n  tls: {certificate: a.pem, key: a.key}\n", "'tls'"),
      ("base_url: {env: BASE_URL}", "base_url: \"https://upstream.example\"", "TLS"),
    ])
  func `a key that is unsafe to ignore is a warning of check, and stops run`(
    _ old: String, _ new: String, _ name: String
  ) throws {
    var text = GatewayConfiguration().text
    let place = try #require(text.range(of: old))
    text.replaceSubrange(place, with: new)
    let gateway = try GatewayProcess(text, environment: Lab.environment(nil))
    #expect(try gateway.run(["check", "--config", gateway.configFile.path]) == 0)
    #expect(gateway.standardOutput.contains("warning: ") && gateway.standardOutput.contains(name))
    #expect(try gateway.run(["run", "--config", gateway.configFile.path]) == 1)
    #expect(gateway.log.contains(name))
  }

  @Test(arguments: ["listen", "admin"])
  func `a port in use makes run exit with 3 and name the address, for both listeners`(_ which: String) throws {
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

  @Test func `a second gateway on the same port does not start`() throws {
    let lab = try Lab()
    var configuration = GatewayConfiguration()
    configuration.listen["address"] = "127.0.0.1:\(lab.gateway.port)"
    let second = try GatewayProcess(configuration.text, environment: Lab.environment(nil))
    #expect(try second.run(["run", "--config", second.configFile.path]) == 3)
    try lab.expectHealthy()
  }

  @Test(arguments: ["check", "run"])
  func `a bad configuration makes check and run exit with 1 and report every problem with its position`(_ verb: String)
    throws
  {
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

  @Test func `check accepts a good configuration and starts nothing`() throws {
    let upstream = try ScriptedUpstream()
    let gateway = try GatewayProcess(GatewayConfiguration().text, environment: Lab.environment(upstream))
    #expect(try gateway.run(["check", "--config", gateway.configFile.path]) == 0)
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
