import Foundation
import TestSupport
import Testing

/// The promises of `check` and of the start: what is accepted, what is said, where the store is.
@Suite("Check and start", .blocking)
struct StartTests {
  private func program(_ text: String = GatewayConfiguration().text, _ more: [String: String] = [:]) throws
    -> GatewayProcess
  {
    try GatewayProcess(text, environment: Lab.environment(nil, more))
  }

  /// The line of the start; the log is written by a thread of its own.
  private func started(_ gateway: GatewayProcess) throws -> [String: Any] {
    try firstValue("the line of the start") { gateway.entries("started").first }
  }

  @Test func `the start logs version, configuration, store, adapters, routes, and each listener`() throws {
    let lab = try Lab()
    let started = try started(lab.gateway)
    #expect((started["version"] as? String)?.isEmpty == false)
    #expect(started["config"] as? String == lab.gateway.configFile.path)
    let store = try #require(started["store"] as? String)
    #expect(store.hasPrefix("sqlite \(lab.gateway.folder.path)/pointgate.db, schema version "), "\(store)")
    #expect(started["adapters"] as? String == "main webtalk \(lab.upstream.url)")
    #expect(started["routes"] as? Int == 7)
    try eventually("a line for each listener") { lab.gateway.entries("listening").count == 2 }
    let listening = lab.gateway.entries("listening").map { "\($0["listener"] ?? "") \($0["url"] ?? "")" }
    #expect(
      listening == ["listen http://127.0.0.1:\(lab.gateway.port)", "admin http://127.0.0.1:\(lab.gateway.adminPort)"])
    #expect(!lab.gateway.log.contains(Secrets.appID))
  }

  @Test func `the start logs the database's host without its password, also when it is not reached`() throws {
    var configuration = GatewayConfiguration()
    configuration.usePostgres()
    let gateway = try program(
      configuration.text, ["DATABASE_URL": "postgres://me:hunter2@127.0.0.1:9/buildings?connect_timeout=1"])
    try gateway.start()
    let started = try started(gateway)
    #expect(started["store"] as? String == "postgres 127.0.0.1:9/buildings, schema public, not reached yet")
    #expect(!gateway.log.contains("hunter2"))
  }

  @Test func `a reload logs in one line what it changed`() throws {
    let lab = try Lab()
    func changes(_ change: (inout GatewayConfiguration) -> Void) throws -> String {
      let count = lab.gateway.entries("the configuration was reloaded").count
      try lab.reload(GatewayConfiguration(change).text)
      let entry = try firstValue("the entry of the reload") {
        lab.gateway.entries("the configuration was reloaded").dropFirst(count).first
      }
      return entry["changes"] as? String ?? ""
    }
    #expect(try changes { _ in } == "nothing")
    #expect(
      try changes {
        $0.log["access"] = "false"
        $0.listen["max_memory"] = "128MiB"
      } == "listen.max_memory, log.access")
    #expect(
      try changes {
        $0.adapters["main"]?.settings["max_in_flight"] = "7"
        $0.routes["values"] = ["cache": "2s"]
        $0.routes["alarms"] = ["adapter": "demo"]
        $0.hasCatalogue = true
      }
        == "listen.max_memory, log.access, adapter demo added, adapter main changed, route * /api/objects added, "
        + "route * /api/dashboard/widgets added, route POST /api/iot/codes/values changed, route POST /api/iot/alarms changed"
    )
    #expect(try changes { $0.defaults["adapter"] = "demo" }.contains("defaults.adapter, adapter main removed"))
  }

  @Test func `a busy port names its key and both addresses, and both keys when both are busy`() throws {
    let busy = try Lab()
    let (port, adminPort) = (busy.gateway.port, busy.gateway.adminPort)
    for (listen, admin, keys) in [
      (Int(port), 0, ["listen.address"]), (0, Int(adminPort), ["admin.address"]),
      (Int(port), Int(adminPort), ["listen.address", "admin.address"]),
    ] {
      let gateway = try program(
        GatewayConfiguration {
          $0.listen["address"] = "127.0.0.1:\(listen)"
          $0.admin["address"] = "127.0.0.1:\(admin)"
        }.text)
      #expect(try gateway.run("run") == 3)
      for (key, number) in [("listen.address", listen), ("admin.address", admin)] {
        #expect(gateway.log.contains("\(key): Can't listen on 127.0.0.1:\(number)") == keys.contains(key))
        #expect(gateway.log.contains("\(key) 127.0.0.1:\(number)"))
      }
      #expect(gateway.standardOutput.isEmpty)
    }
  }

  @Test(arguments: [
    "listen: {tls: {certificate: a.pem, key: a.key}}", "listen: {proxy_protocol: on}",
    "listen: {max_connections_per_address: 5}", "limits: {per_subject: {rate: 5}}", "limits: {per_address: {rate: 5}}",
    "auth: {revoked: revoked.txt}", "adapters: {demo: {type: split}}", "adapters: {demo: {type: replay}}",
  ])
  func `a key that is unsafe to ignore is an error of check and of run`(_ section: String) throws {
    let key = try #require(section.split(separator: ":").first)
    var lines = try #require(Self.small[String(key)].map { _ in Self.small })
    lines[String(key)] = section.replacing("auth: {", with: "auth: {keys: [{alg: HS256, secret: {env: JWT_SECRET}}], ")
      .replacing("listen: {", with: "listen: {address: \"127.0.0.1:0\", ")
    let gateway = try program(lines.values.joined(separator: "\n") + "\n")
    #expect(try gateway.run("check") == 1)
    #expect(gateway.standardOutput.contains("is not implemented yet"), "\(gateway.standardOutput)")
    #expect(gateway.standardOutput.contains(": error: "))
    #expect(try gateway.run("run") == 1)
    #expect(gateway.standardOutput.isEmpty && gateway.log.contains("is not implemented yet"))
  }

  @Test func `a key that is safe to ignore is a warning with its default value too, and run starts`() throws {
    var lines = Self.small
    lines["limits"] = "limits: {per_subject: {rate: 0, burst: 0}}"
    lines["rest"] = """
      stream: {interval: 1s}
      console: {enabled: true, path: /console}
      telemetry: {otlp: {endpoint: "http://127.0.0.1:4318"}}
      reload: {watch: false}
      """
    let gateway = try program(lines.values.joined(separator: "\n") + "\n")
    #expect(try gateway.run("check") == 0)
    #expect(gateway.standardOutput.hasSuffix("\n0 errors, 6 warnings\n"), "\(gateway.standardOutput)")
    try gateway.start()
  }

  /// A configuration by sections.
  private static let small = [
    "version": "version: 1", "listen": "listen: {address: \"127.0.0.1:0\"}",
    "admin": "admin: {address: \"127.0.0.1:0\"}",
    "auth": "auth: {keys: [{alg: HS256, secret: {env: JWT_SECRET}}]}", "store": "store: {type: memory}", "limits": "",
    "adapters": "adapters: {demo: {type: mock}}", "routes": "routes: [{method: POST, path: /v, operation: values}]",
  ]

  @Test func `a configuration that does not exist names init, --demo and -c, without a line`() throws {
    let gateway = try program()
    try FileManager.default.removeItem(at: gateway.configFile)
    for words in [["run"], ["check"], ["check", "-c", "other.yaml"]] {
      #expect(try gateway.run(words) == 1)
      let text = gateway.standardOutput + gateway.log
      for word in ["does not exist", "pointgate init", "run --demo", "-c FILE"] { #expect(text.contains(word)) }
      #expect(!text.contains(":1:1"))
    }
  }

  @Test func `run without -c finds gateway.yaml in the current folder`() throws {
    let gateway = try program()
    try gateway.spawn(["run"])
    try gateway.waitUntilReady()
    #expect(try started(gateway)["config"] as? String == "gateway.yaml")
  }

  @Test func `the store's path starts from the configuration's folder, and a file at the former place is named`() throws
  {
    let gateway = try program()
    let folder = gateway.folder.appending(path: "config")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try FileManager.default.moveItem(at: gateway.configFile, to: folder.appending(path: "gateway.yaml"))
    let former = gateway.folder.appending(path: "pointgate.db").path
    let present = folder.appending(path: "pointgate.db").path
    try Data().write(to: URL(filePath: former))
    #expect(try gateway.run(["check"]) == 0)
    let warning = "warning: the store is now the file \(present)"
    #expect(gateway.standardOutput.contains(warning), "\(gateway.standardOutput)")
    #expect(gateway.standardOutput.contains("the file \(former) of an earlier version is not used"))
    try gateway.spawn(["run"])
    try gateway.waitUntilReady()
    #expect(FileManager.default.fileExists(atPath: present))
    let store = try started(gateway)["store"] as? String
    #expect(store?.hasPrefix("sqlite \(present), ") == true, "\(store ?? "")")
    gateway.signal(SIGTERM)
    #expect(try gateway.waitForExit() == 0)
    #expect(try gateway.run(["check"]) == 0)
    #expect(!gateway.standardOutput.contains(warning), "the new file exists")
  }

  @Test func `a secret in the environment that is not UTF-8 is refused by its name`() throws {
    let gateway = try program()
    gateway.prefix = [
      "/bin/sh", "-c", #"JWT_SECRET="$(printf '\377\376hunter2-hunter2-hunter2-hunter2-hunter2')" exec "$@""#, "sh",
    ]
    #expect(try gateway.run("check") == 1)
    #expect(gateway.standardOutput.contains("what the variable JWT_SECRET holds is not UTF-8 text"))
    #expect(!gateway.standardOutput.contains("hunter2"))
  }

  @Test func `a secret in .env.local that other readers take differently gets a warning with the file's own line`()
    throws
  {
    let gateway = try GatewayProcess(
      GatewayConfiguration().text,
      environment: Lab.environment(nil).filter { $0.key != "JWT_SECRET" })
    let file = gateway.folder.appending(path: ".env.local")
    try Data("# of the server\nJWT_SECRET=hunter2-hunter2-hunter2-hunter2-#hunter2\nOTHER=a b#c\n".utf8).write(to: file)
    #expect(try gateway.run("check") == 0)
    #expect(!gateway.standardOutput.contains("OTHER"), "the configuration does not name this variable")
    #expect(gateway.standardOutput.contains("\(file.path):2:1: warning: the value of JWT_SECRET ends before the '#'"))
    #expect(gateway.standardOutput.contains("quote the value") && !gateway.standardOutput.contains("hunter2"))
    try Data("# of the server\nJWT_SECRET=\"hunter2-hunter2-hunter2-hunter2-#hunter2 \"\n".utf8).write(to: file)
    #expect(try gateway.run("check") == 1)
    #expect(gateway.standardOutput.contains("what the variable JWT_SECRET holds ends in white space"))
  }
}
