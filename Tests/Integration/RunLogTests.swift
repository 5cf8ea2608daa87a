import Foundation
import TestSupport
import Testing

@Suite("The log of a running gateway", .blocking)
struct RunLogTests {
  private func write(_ lab: Lab, _ body: String, path: String = Request.set) throws -> TestMessage {
    try lab.call(Request.make("POST", path, body: body, token: JWT.caller()))
  }

  /// Waits for the log's line about a write and returns it.
  private func entry(_ lab: Lab, _ message: String = "write") throws -> [String: Any] {
    try firstValue("the line '\(message)'") { lab.gateway.entries(message).first }
  }

  @Test(arguments: [
    ("main", Request.set, "set"), ("main", Request.forceSet, "force-set"), ("demo", Request.set, "set"),
  ])
  func `a write is logged with its points and values, subject, adapter and outcome`(
    _ adapter: String, _ path: String, _ operation: String
  ) throws {
    let lab = try Lab { $0.defaults["adapter"] = adapter }
    // A name of the simulated building; the other upstream takes any.
    let response = try write(lab, #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":21.5}]}"#, path: path)
    #expect(response.status == 200)
    let entry = try entry(lab)
    #expect(entry["points"] as? String == "C_5001_AV_0001=21.5" && entry["count"] as? Int == 1)
    #expect(entry["subject"] as? String == "u1" && entry["adapter"] as? String == adapter)
    #expect(entry["operation"] as? String == operation && entry["level"] as? String == "info")
    #expect(entry["requestId"] as? String == response["X-Request-Id"])
    #expect(["ok", "business_error"].contains(entry["outcome"] as? String ?? ""))
    #expect(lab.gateway.entries("write").count == 1)
  }

  @Test func `a write through a front is logged like any other, and a refused call with its reason`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    for (call, operation) in [("setCodesVal", "set"), ("forceSetCodesVal", "force-set")] {
      #expect(try server.request(call, Request.setBody).status == 200)
      let entry = try firstValue("the line of \(operation)") {
        lab.gateway.entries("write").first { $0["operation"] as? String == operation }
      }
      #expect(entry["points"] as? String == "P=1" && entry["outcome"] as? String == "ok")
      #expect(entry["adapter"] as? String == "main" && (entry["subject"] as? String)?.isEmpty == false)
    }
    server.access = "not-a-token"
    _ = try server.post("getCodesVal", Request.valuesBody)
    let refused = try firstValue("the access entry") {
      lab.gateway.entries("request").first { $0["code"] as? String == "unauthorized" }
    }
    #expect((refused["reason"] as? String)?.isEmpty == false)
    for secret in [EcoCtrlServer.appID, "not-a-token"] { #expect(!lab.gateway.log.contains(secret)) }
  }

  @Test func `control characters in a written value cannot break a line, in text either`() throws {
    for format in ["json", "text"] {
      let lab = try Lab { $0.log["format"] = format }
      #expect(
        try write(lab, #"{"aryPoints":[{"pointId":"P\n\u001b[31m","value":"a\nlevel=error \u2028\#u{9b}b"}]}"#).status
          == 200)
      try eventually("the line") { lab.gateway.log.contains("points=") || lab.gateway.log.contains(#""points""#) }
      let line = try #require(lab.gateway.log.split(separator: "\n").first { $0.contains("points") })
      #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }, "\(line)")
      #expect(line.contains(#"P\\n"#) && line.contains("write"))
    }
  }

  @Test func `a business error, a failure and an unknown outcome of a write are told apart`() throws {
    for (step, message, outcome) in [
      (.envelope(500), "write", "business_error"), (.close, "write failed", "unknown"),
      (.response("not JSON"), "write failed", "unknown"),
    ] as [(UpstreamStep, String, String)] {
      let lab = try Lab().withToken()
      lab.upstream.script(step)
      _ = try write(lab, Request.setBody)
      let entry = try entry(lab, message)
      #expect(entry["outcome"] as? String == outcome && entry["points"] as? String == "P=1")
    }
    let lab = try Lab(.upstream(["base_url": "http://127.0.0.1:1"]))
    _ = try write(lab, Request.setBody)
    let entry = try entry(lab, "write failed")
    #expect(entry["outcome"] as? String == "not carried out" && entry["subject"] as? String == "u1")
  }

  @Test func `with writes: false no line has points, and a failed write is logged`() throws {
    let lab = try Lab { $0.log["writes"] = "false" }.withToken()
    #expect(try write(lab, Request.setBody).status == 200)
    lab.upstream.script(.close)
    _ = try write(lab, Request.setBody)
    let entry = try entry(lab, "write failed")
    #expect(entry["points"] == nil && lab.gateway.entries("write").isEmpty)
  }

  @Test func `a read has no line about points`() throws {
    let lab = try Lab()
    #expect(try lab.call().status == 200)
    try eventually("the access entry") { !lab.gateway.entries("request").isEmpty }
    #expect(!lab.gateway.log.contains(#""points""#))
  }

  @Test func `every line on stderr of a run is JSON, configuration problems at start and reload too`() throws {
    let lab = try Lab { $0.log["level"] = "info" }
    // A warning at the start: a key that is not implemented yet.
    let configuration = GatewayConfiguration().text + "telemetry:\n  otlp: {endpoint: \"http://127.0.0.1:4318\"}\n"
    let warned = try GatewayProcess(configuration, environment: Lab.environment(lab.upstream))
    try warned.start()
    let warning = try #require(
      warned.entries("the configuration has a problem").first { ($0["problem"] as? String)?.contains("otlp") == true })
    let lines = configuration.split(separator: "\n", omittingEmptySubsequences: false)
    let position = try #require(lines.firstIndex { $0.contains("otlp") }) + 1
    #expect(warning["file"] as? String == warned.configFile.path && warning["line"] as? Int == position)
    let column = try #require(warning["column"] as? Int)
    let prefix = "\(warned.configFile.path):\(position):\(column): warning: "
    #expect((3...9).contains(column) && (warning["problem"] as? String)?.hasPrefix(prefix) == true)
    #expect(warning["severity"] as? String == "warning")
    #expect(warning["level"] as? String == "warning")

    try warned.write(configuration + "unknown: 1\n")
    warned.signal(SIGHUP)
    let refused = try firstValue("the refusal") {
      warned.entries("the new configuration is refused; the previous one stays in force").first
    }
    #expect(refused["line"] as? Int == lines.count && refused["column"] as? Int == 1)
    #expect(refused["severity"] as? String == "error" && refused["level"] as? String == "error")
    warned.signal(SIGTERM)
    #expect(try warned.waitForExit() == 0)
    #expect(!warned.logEntries.isEmpty)
  }

  @Test func `a start that fails says so in JSON: bad configuration, no file, busy port`() throws {
    let good = GatewayConfiguration().text
    let busy = try Lab()
    let cases: [(text: String?, format: String, status: Int32, word: String)] = [
      (good + "unknown: 1\n", "json", 1, "unknown key 'unknown'"), ("a: [", "auto", 1, "gateway.yaml:"),
      (nil, "auto", 1, "gateway.yaml"),
      (
        GatewayConfiguration { $0.listen["address"] = "127.0.0.1:\(busy.gateway.port)" }.text, "json", 3,
        "Another program listens there"
      ),
    ]
    for (text, _, status, word) in cases {
      let gateway = try GatewayProcess(text ?? "", environment: Lab.environment(nil))
      if text == nil { try FileManager.default.removeItem(at: gateway.configFile) }
      #expect(try gateway.run("run") == status)
      let entries = gateway.logEntries
      #expect(entries.allSatisfy { $0["msg"] is String && $0["level"] is String && $0["time"] is String })
      #expect(entries.contains { ($0["msg"] as? String)?.hasPrefix("not started") == true }, "\(gateway.log)")
      #expect(gateway.log.contains(word), "\(gateway.log)")
      #expect(gateway.standardOutput.isEmpty)
    }
  }

  @Test func `with format: text problems of the configuration have GNU form`() throws {
    var configuration = GatewayConfiguration()
    configuration.log["format"] = "text"
    let gateway = try GatewayProcess(configuration.text + "unknown: 1\n", environment: Lab.environment(nil))
    #expect(try gateway.run("run") == 1)
    let line = configuration.text.split(separator: "\n", omittingEmptySubsequences: false).count
    #expect(gateway.log.contains("\n\(gateway.configFile.path):\(line):1: error: unknown key 'unknown'"))
    #expect(gateway.log.contains("\n1 error"))
  }

  @Test func `a text log has date and zone in every line`() throws {
    let lab = try Lab { $0.log["format"] = "text" }
    try lab.expectHealthy()
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    // Warnings about the configuration precede the log and have GNU form.
    let lines = lab.gateway.log.split(separator: "\n").filter { !$0.contains("gateway.yaml:") }
    #expect(lines.count > 2)
    for line in lines {
      #expect(
        line.prefixMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARN|ERROR) /#) != nil, "\(line)")
    }
  }
}
