import Foundation
import TestSupport
import Testing

/// The verbs other than `run`: the built binary, its streams and its exit status.
@Suite(.blocking) struct CommandTests {
  private let upstream: ScriptedWebTalk
  /// A gateway with the default configuration.
  private let program: GatewayProcess

  init() throws {
    upstream = try ScriptedWebTalk()
    program = try Self.program(GatewayConfiguration(), upstream)
  }

  private static func program(_ configuration: GatewayConfiguration, _ upstream: ScriptedWebTalk?) throws
    -> GatewayProcess
  {
    try GatewayProcess(configuration.text, environment: Lab.environment(upstream))
  }

  private func check(_ more: String...) throws -> Int32 { try program.runOnConfiguration(["check", "--live"] + more) }

  /// Expects this exit status, and returns the key of each step's result, by subject and step.
  private func results(_ status: Int32, _ key: String = "outcome") throws -> [String: String] {
    #expect(try check("--format", "json") == status)
    let steps = try #require((program.json as? [String: Any])?["steps"] as? [[String: Any]])
    return Dictionary(
      steps.map { ("\($0["subject"] as? String ?? "") \($0["step"] as? String ?? "")", $0[key] as? String ?? "") },
      uniquingKeysWith: { first, _ in first })
  }

  private func hasDatabase(_ program: GatewayProcess) throws -> Bool {
    try FileManager.default.contentsOfDirectory(atPath: program.folder.path).contains { $0.hasPrefix("pointgate.db") }
  }

  @Test func `init prints a configuration that check accepts, alone on stdout`() throws {
    for name in ["demo", "ecoctrl", "two-vendors"] {
      #expect(try program.run(["init", name]) == 0)
      #expect(program.log.isEmpty)
      try program.write(program.standardOutput)
      #expect(try program.run(["check", "-c", program.configFile.path]) == (name == "ecoctrl" ? 1 : 0))
      // The configuration for EcoCtrl names a database, and DATABASE_URL is not set here.
      #expect(program.standardOutput.contains("DATABASE_URL") == (name == "ecoctrl"))
    }
    for words in [["init"], ["init", "dmeo"], ["init", "demo", "more"], ["init", "demo", "--live"]] {
      #expect(try program.run(words) == 2)
      #expect(program.standardOutput.isEmpty)
    }
    #expect(program.log.contains("did you mean 'demo'?"))
  }

  @Test func `a command line without a command, or with an unknown word, exits with 2 and names the help`() throws {
    for (words, message) in [
      ([], "no command given; see 'pointgate --help'"),
      (["chekc"], "unknown command 'chekc'; did you mean 'check'? See 'pointgate --help'"),
      (["token"], "command 'token' is incomplete; use 'token issue' or 'token status'; see 'pointgate --help'"),
      (["check", "a", "b"], "unexpected argument 'b'; see 'pointgate check --help'"),
      (["help", "x"], "unknown command 'x'; see 'pointgate --help'"),
    ] {
      #expect(try program.run(words) == 2)
      #expect(program.standardOutput.isEmpty && program.log.hasSuffix("pointgate: \(message)\n"))
    }
  }

  @Test func `help and version have the usual options beside their commands, and check takes its file as an argument`()
    throws
  {
    for pair in [
      [["--version"], ["version"]], [["help", "check"], ["validate", "--help"]], [["--help"], ["help"]],
      [["check", program.configFile.path], ["-c", program.configFile.path, "validate"]],
    ] {
      var outputs: [String] = []
      for words in pair {
        #expect(try program.run(words) == 0)
        outputs.append(program.standardOutput)
      }
      #expect(outputs[0] == outputs[1] && !outputs[0].isEmpty)
    }
  }

  @Test func `routes prints which requests share a call, how long responses are cached, and what is merged`() throws {
    var configuration = GatewayConfiguration()
    configuration.routes = [
      "values": ["cache": "2s", "stale": "1m", "batch": "{window: 5ms, max: 50}"], "history": ["coalesce": "true"],
    ]
    try program.write(configuration.text)
    #expect(try program.runOnConfiguration(["routes"]) == 0)
    let lines = program.standardOutput.split(separator: "\n")
    #expect(lines[0].hasSuffix(" COALESCE  CACHE    STALE     BATCH"))
    #expect(lines[2].hasSuffix(" yes       2000 ms  60000 ms  5 ms, 50 codes"))
    #expect(lines[3].hasSuffix(" yes       no       no        no"))
    #expect(lines[4].hasSuffix(" no        no       no        no"))

    #expect(try program.runOnConfiguration(["routes", "--format", "json"]) == 0)
    let values = try #require((program.json as? [[String: Any]])?[1])
    #expect(values["coalesce"] as? Bool == true)
    #expect(values["cacheMs"] as? Int == 2000 && values["staleMs"] as? Int == 60_000)
    #expect(values["batch"] as? [String: Int] == ["windowMs": 5, "max": 50])

    try program.write(GatewayConfiguration().text)
    #expect(try program.runOnConfiguration(["routes"]) == 0)
    #expect(program.standardOutput.contains("COALESCE\n"))

    #expect(try program.run(["adapters", "--format", "json"]) == 0)
    #expect((program.json as? [[String: Any]])?.map { $0["batch"] as? Bool } == [true, true])
  }

  @Test func `check --live fetches one token, reads once, and changes nothing`() throws {
    #expect(try check() == 0)
    let lines = program.standardOutput.split(separator: "\n")
    for step in ["resolve", "connect", "token", "read"] {
      let line = try Regex("adapter main +\(step) +ok +[0-9]+ ms.*")
      #expect(lines.contains { $0.wholeMatch(of: line) != nil }, "\(step)")
    }
    #expect(lines.contains { $0.hasPrefix("store") && $0.contains("creates the file") })
    #expect(lines.last == "5 steps, none failed")
    #expect(upstream.count(.authorization) == 1 && upstream.count(.refresh) == 0)
    #expect(upstream.dataCalls.map(\.kind) == [.values])
    #expect(try !hasDatabase(program))
    for secret in upstream.secrets + [Secrets.appID, Secrets.jwt] {
      #expect(!program.standardOutput.contains(secret) && !program.log.contains(secret))
    }
  }

  @Test func `check --live counts an upstream that responds with an error as reached, and prints the code`() throws {
    upstream.always(.response(#"{"code":500,"error":"no"}"#))
    #expect(try results(0, "note")["adapter main read"]?.contains("code 500") == true)
    #expect(try results(0)["adapter main read"] == "ok")
  }

  @Test func `check --live exits with 3 for an upstream that is not reached, and tries all the rest`() throws {
    upstream.stop()
    var configuration = GatewayConfiguration()
    configuration.routes["alarms"] = ["adapter": "demo"]
    try program.write(configuration.text)
    let results = try results(3)
    #expect(results["adapter main connect"] == "failed")
    #expect(results["adapter main token"] == "skipped")
    #expect(results["adapter demo read"] == "ok")
    #expect(results["store schema"] == "ok")
  }

  @Test func `check --live exits with 3 for an upstream that refuses the application, or does not respond with JSON`()
    throws
  {
    upstream.scriptTokens(.response(#"{"code":304,"error":"invalid appId"}"#))
    #expect(try results(3, "note")["adapter main token"]?.contains("code 304") == true)
    upstream.script(.response("<html>"))
    #expect(try results(3)["adapter main read"] == "failed")
  }

  @Test func `check --live exits with 1 for a file that is not a database`() throws {
    try Data("this is no database, and long enough to be looked at".utf8)
      .write(to: program.folder.appending(path: "pointgate.db"))
    #expect(try results(1)["store schema"] == "bad")
  }

  @Test func `check --live exits with 1 when the database's folder can't be written`() throws {
    try program.write(GatewayConfiguration { $0.store["path"] = "/dev/null/var/pointgate.db" }.text)
    #expect(try results(1)["store schema"] == "bad")
    #expect(try results(1, "note")["store schema"]?.contains("'/dev/null' can't be written") == true)
  }

  @Test func `check --live tries nothing when the configuration has errors`() throws {
    try program.write(GatewayConfiguration().text + "nonsense: 1\n")
    #expect(try check() == 1)
    #expect(upstream.calls.isEmpty)
    #expect(program.standardOutput.contains("unknown key 'nonsense'"))
  }

  @Test func `token status prints no secret of the stored token, and creates nothing`() throws {
    let lab = try Lab()
    let other = try Self.program(GatewayConfiguration(), lab.upstream)
    #expect(try other.runOnConfiguration(["token", "status"]) == 0)
    #expect(other.standardOutput.contains("Nothing is stored"))
    #expect(try !hasDatabase(other))

    #expect(try lab.call().status == 200)
    // The same folder, so that the relative path of the database is the same file.
    let sameStore = GatewayConfiguration { $0.store["path"] = lab.gateway.folder.path + "/pointgate.db" }
    let looker = try Self.program(sameStore, lab.upstream)
    #expect(try looker.runOnConfiguration(["token", "status", "--format", "json"]) == 0)
    let adapters = try #require((looker.json as? [String: Any])?["adapters"] as? [[String: Any]])
    let main = try #require(adapters.first { $0["adapter"] as? String == "main" })
    #expect(main["state"] as? String == "good" && main["version"] as? Int == 1)
    #expect((main["fingerprint"] as? String)?.count == 8)
    #expect((main["upstream"] as? String) == "webtalk \(lab.upstream.url)")
    #expect(try looker.runOnConfiguration(["token", "status"]) == 0)
    #expect(looker.standardOutput.contains("good"))
    for secret in lab.upstream.secrets + [Secrets.appID] {
      #expect(!looker.standardOutput.contains(secret) && !looker.log.contains(secret))
    }
  }

  @Test func `token status reports a memory store, and a store that is not reached`() throws {
    var configuration = GatewayConfiguration()
    configuration.store = ["type": "memory"]
    let memory = try Self.program(configuration, nil)
    #expect(try memory.runOnConfiguration(["token", "status"]) == 0)
    #expect(memory.standardOutput.contains("nothing outlives it"))
    configuration.usePostgres()
    let away = try GatewayProcess(
      configuration.text,
      environment: Lab.environment(nil, ["DATABASE_URL": "postgres://me:hunter2@127.0.0.1:9/none"]))
    #expect(try away.runOnConfiguration(["token", "status"]) == 3)
    #expect(away.standardOutput.isEmpty && away.log.hasPrefix("pointgate: ") && !away.log.contains("hunter2"))
  }
}

/// The same verbs over a real PostgreSQL.
@Suite(.blocking) struct PostgresCommandTests {
  private let server: PostgresServer
  private let database: String

  init() throws {
    server = try PostgresServer.shared()
    database = try server.newDatabase()
  }

  private func configuration(_ more: [String: String] = [:]) -> GatewayConfiguration {
    GatewayConfiguration { $0.usePostgres(more) }
  }

  private func run(
    _ words: [String], _ configuration: GatewayConfiguration, _ upstream: ScriptedWebTalk? = nil, url: String? = nil
  ) throws -> (status: Int32, out: String) {
    let upstream = try upstream ?? ScriptedWebTalk()
    defer { withExtendedLifetime(upstream) {} }
    let environment = Lab.environment(upstream, ["DATABASE_URL": url ?? database])
    let program = try GatewayProcess(configuration.text, environment: environment)
    return (try program.runOnConfiguration(words), program.standardOutput + program.log)
  }

  private var tables: String {
    get throws {
      try server.sql(
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        database: database)
    }
  }

  @Test func `check --live prints the pending migrations and does not run them`() throws {
    let fresh = try run(["check", "--live"], configuration(["schema": "pointgate"]))
    #expect(fresh.status == 0 && fresh.out.contains("creates schema pointgate"))
    for table in ["iot_tokens", "objects", "dashboard_widgets"] { #expect(fresh.out.contains(table)) }
    let forbidden = try run(["check", "--live"], configuration(["migrate": "false"]))
    #expect(forbidden.status == 1 && forbidden.out.contains("migrate: false"))
    let status = try run(["token", "status"], configuration())
    #expect(status.status == 0 && status.out.contains("Nothing is stored"))
    #expect(try tables == "0")
  }

  @Test func `check --live refuses EcoCtrl's tables and names the remedy`() throws {
    try server.sql("CREATE TABLE objects (id uuid, model_id uuid NOT NULL, code varchar(255))", database: database)
    let result = try run(["check", "--live"], configuration())
    #expect(result.status == 1 && result.out.contains("store: {schema: pointgate}"))
    #expect(try run(["check", "--live"], configuration(["schema": "pointgate"])).status == 0)
    #expect(try tables == "1")
  }

  @Test func `check --live refuses a database whose encoding is not UTF8`() throws {
    try server.sql(
      "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", database: database)
    let result = try run(["check", "--live"], configuration(), url: server.url(of: "ascii"))
    #expect(result.status == 1 && result.out.contains("the encoding SQL_ASCII"), "\(result.out)")
  }

  @Test func `check --live refuses a role or a database that allows fewer connections than a gateway opens`() throws {
    try server.sql(
      "CREATE ROLE narrow LOGIN CONNECTION LIMIT 2; GRANT CREATE ON SCHEMA public TO narrow", database: database)
    let url = database.replacingOccurrences(of: "//postgres@", with: "//narrow@")
    let narrow = try run(["check", "--live"], configuration(), url: url)
    #expect(narrow.status == 1 && narrow.out.contains("The role 'narrow' allows 2 connections"), "\(narrow.out)")
    try server.sql("ALTER ROLE narrow CONNECTION LIMIT 5", database: database)
    #expect(try run(["check", "--live"], configuration(), url: url).status == 0)
    let name = try #require(database.split(separator: "/").last)
    try server.sql("ALTER DATABASE \(name) CONNECTION LIMIT 4", database: database)
    let full = try run(["check", "--live"], configuration(), url: url)
    #expect(full.status == 1 && full.out.contains("The database '\(name)' allows 4 connections"), "\(full.out)")
  }

  @Test func `token status reads a gateway's token from another process, and check --live finds an up-to-date schema`()
    throws
  {
    let lab = try Lab(configuration(), environment: ["DATABASE_URL": database])
    #expect(try lab.call().status == 200)
    let row = try eventuallyStored()
    let token = try run(["token", "status"], configuration(), lab.upstream)
    #expect(token.status == 0 && token.out.contains("good") && token.out.contains(lab.upstream.url))
    let check = try run(["check", "--live"], configuration(), lab.upstream)
    #expect(check.status == 0 && check.out.contains("up to date"))
    #expect(try eventuallyStored() == row)
    for secret in lab.upstream.secrets { #expect(!(token.out + check.out).contains(secret)) }
  }

  private func eventuallyStored() throws -> String {
    try firstValue("the stored token") { () -> String? in
      let row = try server.sql("SELECT access_token, version FROM iot_tokens WHERE version > 0", database: database)
      return row.isEmpty ? nil : row
    }
  }
}
