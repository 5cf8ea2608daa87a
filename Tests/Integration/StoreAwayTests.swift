import Foundation
import TestSupport
import Testing

@Suite("An unavailable store", .blocking)
struct StoreAwayTests {
  /// One gateway on a PostgreSQL of its own.
  private struct Away {
    let server: PostgresServer
    let database: String
    let lab: Lab

    init(_ settings: [String: String] = [:], isStopped: Bool = false, isStarted: Bool = true) throws {
      server = try PostgresServer()
      database = try server.newDatabase()
      if isStopped { server.stop(.immediate) }
      lab = try Lab(.busy, environment: ["DATABASE_URL": database], isStarted: isStarted) {
        $0.hasCatalogue = true
        $0.usePostgres(settings)
      }
    }

    func storedToken() throws -> String? { try? server.sql("SELECT access_token FROM iot_tokens", database: database) }

    /// Expects that the gateway is ready within 5 seconds and serves objects.
    func expectRecovery() throws {
      try eventually("ready again", within: 5) { try lab.readiness().status == "ready" }
      try eventually("objects again", within: 1) { try objects().status == 200 }
      #expect(try lab.metric("gateway_store_up") == 1)
    }

    func objects() throws -> TestMessage { try lab.get(Request.objects) }

    /// Expects that `run` ends with this status and prints nothing on stdout, and returns its log.
    func failedRun(_ status: Int32) throws -> String {
      #expect(try lab.gateway.run("run") == status)
      #expect(lab.gateway.standardOutput.isEmpty)
      return lab.gateway.log
    }
  }

  @Test(arguments: [PostgresServer.StopMode.immediate, .fast])
  func `while PostgreSQL is stopped, reads succeed and objects get 503, and all recovers within 5 seconds`(
    _ mode: PostgresServer.StopMode
  ) throws {
    let away = try Away()
    #expect(try away.objects().status == 200)
    let crowd = Crowd(away.lab, threads: 2, connectionsPerThread: 10)
    defer { crowd.end() }
    try crowd.more(100)
    away.server.stop(mode)
    try crowd.more(200)
    let response = try away.objects()
    #expect(response.outcome == "503 store_unavailable")
    #expect(response["Retry-After"] != nil)
    try eventually("degraded by the store") { try away.lab.isDegradedByStore() }
    #expect(try away.lab.metric("gateway_store_up") == 0)
    #expect(try away.lab.ask("/livez").status == 200)
    try crowd.more(200)
    try away.server.start()
    try away.expectRecovery()
    try crowd.more(100)
    crowd.expectSuccess()
    #expect(away.lab.upstream.tokenCalls == 1)
    #expect(!away.lab.gateway.log.contains("postgres://"))
  }

  @Test func `while PostgreSQL is suspended, reads succeed and objects get 503, and all recovers afterwards`() throws {
    let away = try Away()
    let crowd = Crowd(away.lab, threads: 2, connectionsPerThread: 10)
    defer { crowd.end() }
    try crowd.more(100)
    away.server.freeze()
    defer { away.server.thaw() }
    let connection = try away.lab.connect().send(Request.make("GET", Request.objects, body: nil))
    try crowd.more(200)
    let response = try connection.receive(to: "GET", within: 20)
    #expect(response.status == 503)
    #expect(response["Retry-After"] != nil)
    try eventually("degraded by the store", within: 10) { try away.lab.isDegradedByStore() }
    away.server.thaw()
    try away.expectRecovery()
    crowd.expectSuccess()
    #expect(away.lab.upstream.tokenCalls == 1)
  }

  @Test func `past drain_timeout a change that PostgreSQL has not confirmed gets 503 draining with an unknown outcome`()
    throws
  {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    let lab = try Lab(environment: ["DATABASE_URL": database]) {
      $0.hasCatalogue = true
      $0.usePostgres()
      $0.listen["drain_timeout"] = "300ms"
    }
    #expect(try lab.get(Request.objects).status == 200)
    server.freeze()
    defer { server.thaw() }
    let change = try lab.connect()
      .send(Request.make("POST", Request.objects, body: #"{"code":"A","name":"a","type":"meter"}"#))
    let read = try lab.connect().send(Request.make("GET", Request.objects, body: nil))
    lab.gateway.signal(SIGTERM)
    for (connection, method, outcome) in [(change, "POST", "unknown"), (read, "GET", nil)] {
      let response = try connection.receive(to: method)
      #expect(response.outcome == "503 draining")
      #expect(response.json?["outcome"] as? String == outcome)
    }
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.log.contains(#""answered503":2,"responsesCut":0,"writesUnknown":1}"#))
  }

  @Test func `while other programs hold the role's connections, the store is reported unavailable, and objects too`()
    throws
  {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    let name = database.split(separator: "/").last ?? ""
    try server.sql(
      "CREATE ROLE gate LOGIN CONNECTION LIMIT 3; ALTER DATABASE \(name) OWNER TO gate", database: "postgres")
    let url = database.replacing("postgres@", with: "gate@")
    // Leaves one connection, which the tokens get.
    for number in 0..<2 {
      Thread { _ = try? server.sql("SELECT 'holder \(number)', pg_sleep(600)", database: url) }.start()
    }
    let holders = "FROM pg_stat_activity WHERE query LIKE '%holder%' AND pid <> pg_backend_pid()"
    try eventually("the connections of the other programs") {
      try server.sql("SELECT count(*) \(holders)", database: "postgres") == "2"
    }
    let lab = try Lab(.busy, environment: ["DATABASE_URL": url]) {
      $0.hasCatalogue = true
      $0.usePostgres()
    }
    try lab.expectHealthy()
    try eventually("degraded by the store") { try lab.isDegradedByStore() }
    #expect(try lab.metric("gateway_store_up") == 0)
    #expect(try lab.get(Request.objects).outcome == "503 store_unavailable")
    #expect(lab.upstream.tokenCalls == 1)
    _ = try server.sql("SELECT pg_terminate_backend(pid) \(holders)", database: "postgres")
    try eventually("ready again", within: 10) { try lab.readiness().status == "ready" }
    #expect(try lab.metric("gateway_store_up") == 1)
    #expect(try lab.get(Request.objects).status == 200)
  }

  @Test func `a start without the database serves, reports degraded, and later stores the pair`() throws {
    let away = try Away(isStopped: true)
    for _ in 0..<3 { try away.lab.expectHealthy() }
    try eventually("degraded by the store") { try away.lab.isDegradedByStore() }
    #expect(try away.objects().errorCode == "store_unavailable")
    #expect(away.lab.upstream.count(.authorization) == 1)
    try away.server.start()
    try away.expectRecovery()
    let shown = try away.lab.shownToken()
    try eventually("the pair in the database") { try away.storedToken() == shown }
    #expect(away.lab.upstream.tokenCalls == 1)
  }

  @Test
  func `a required store that is unreachable at the start makes run exit with 3, without the password in the message`()
    throws
  {
    let away = try Away(["required": "true"], isStopped: true, isStarted: false)
    let log = try away.failedRun(3)
    #expect(log.contains("PostgreSQL can't be reached") && !log.contains("postgres://"))
    try away.server.start()
    try away.lab.gateway.start()
    try away.lab.expectHealthy()
  }

  @Test func `a required store that neither opens nor fails within 10 seconds makes run exit with 3`() throws {
    let away = try Away(["required": "true"], isStarted: false)
    // The lock that a migrating replica holds.
    let holder = Thread {
      _ = try? away.server.sql(
        "SELECT pg_advisory_lock(\(0x5074_4774_0000_0001)), pg_sleep(60)", database: away.database)
    }
    holder.start()
    let waiting = "FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    try eventually("the lock") { try away.server.sql("SELECT count(*) \(waiting)", database: away.database) == "1" }
    #expect(try away.failedRun(3).contains("The store did not open within 10 s"))
    _ = try away.server.sql("SELECT pg_terminate_backend(pid) \(waiting)", database: away.database)
  }

  @Test func `a table of another program makes run exit with 1 and name the remedy, and stays unchanged`() throws {
    let away = try Away(isStarted: false)
    try away.server.sql("CREATE TABLE objects(model_id uuid NOT NULL)", database: away.database)
    let log = try away.failedRun(1)
    #expect(log.contains("objects") && log.contains("schema"))
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'objects'"
    #expect(try away.server.sql(columns, database: away.database) == "1")
  }

  @Test func `when a token is due without the store, each gateway authorizes, and later the last pair wins`() throws {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    let fleet = try Fleet(2, on: .postgres, tokenLife: 4, database: database)
    let crowds = fleet.labs.map { Crowd($0, threads: 1, connectionsPerThread: 10) }
    defer { for crowd in crowds { crowd.end() } }
    for crowd in crowds { try crowd.more(50) }
    server.stop(.immediate)
    let refreshes = fleet.upstream.count(.refresh)
    fleet.upstream.tokenLife = 7200
    try eventually("a detached pair in each gateway", within: 10) {
      try fleet.labs.allSatisfy { try $0.metric("gateway_token_refresh_total", ["outcome": "detached"]) == 1 }
    }
    for lab in fleet.labs { #expect(try lab.isDegradedByStore()) }
    #expect(fleet.upstream.count(.authorization) == 3)
    #expect(fleet.upstream.count(.refresh) == refreshes)
    for crowd in crowds { try crowd.more(50) }
    try server.start()
    let token = try fleet.commonToken()
    try eventually("the pair in the database") {
      try server.sql("SELECT access_token FROM iot_tokens", database: database) == token
    }
    for lab in fleet.labs { try eventually("ready again") { try lab.readiness().status == "ready" } }
    for crowd in crowds { crowd.expectSuccess() }
    #expect(fleet.upstream.count(.authorization) == 3)
    #expect(fleet.upstream.reusedRefreshTokens == 0)
  }

  @Test func `with a full disk, SQLite's new pair is used from memory and stored when there is room`() throws {
    let lab = try Lab(isStarted: false) { $0.hasCatalogue = true }
    // Makes the limit an error instead of a signal.
    lab.gateway.prefix = ["/bin/sh", "-c", #"trap "" XFSZ; exec "$0" "$@""#]
    try lab.gateway.start()
    try lab.expectHealthy()
    try limitFiles(of: lab.gateway, to: "1")
    lab.upstream.revokeAccess()
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.count(.refresh) == 1)
    try eventually("degraded by the store") { try lab.isDegradedByStore() }
    let refused = try lab.call(Request.make("POST", Request.objects, body: #"{"code":"A","name":"a","type":"meter"}"#))
    #expect(refused.outcome == "503 store_unavailable")
    #expect(try lab.call().status == 200)
    try limitFiles(of: lab.gateway, to: "unlimited")
    try eventually("ready again", within: 10) { try lab.readiness().status == "ready" }
    let shown = try lab.shownToken()
    lab.gateway.kill()
    lab.gateway.prefix = []
    try lab.gateway.start()
    #expect(try lab.shownToken() == shown)
    #expect(lab.upstream.tokenCalls == 2)
    #expect(lab.upstream.reusedRefreshTokens == 0)
  }

  @Test func `a SQLite file that cannot be created makes the gateway serve from memory and report degraded`() throws {
    // A file cannot contain a folder, even for root.
    let lab = try Lab { $0.store["path"] = "gateway.yaml/pointgate.db" }
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    #expect(lab.upstream.count(.authorization) == 1)
    try eventually("degraded by the store") { try lab.isDegradedByStore() }
  }

  @Test func `reads and a renewal succeed after SQLite's folder is removed`() throws {
    let lab = try Lab(isStarted: false) { $0.store["path"] = "data/pointgate.db" }
    let folder = lab.gateway.folder.appending(path: "data")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try lab.gateway.start()
    try lab.expectHealthy()
    try FileManager.default.removeItem(at: folder)
    lab.upstream.revokeAccess()
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    #expect(lab.upstream.count(.authorization) == 1)
    #expect(lab.upstream.count(.refresh) == 1)
  }

  /// Limits the size of the files that the gateway writes.
  private func limitFiles(of gateway: GatewayProcess, to bytes: String) throws {
    try Command(["/usr/bin/prlimit", "--pid", "\(gateway.pid)", "--fsize=\(bytes):unlimited"]).run()
  }
}
