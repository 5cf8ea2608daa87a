import AdapterAPI
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host

/// The server restarts, freezes, kills connections, or is down.
@Suite(.blocking, .timeLimit(.minutes(2))) struct PostgresAwayTests {
  private static let ping = "SELECT 1"

  @Test func `a server restart between two transactions causes no error`() async throws {
    let server = try PostgresServer()
    let database = PostgresDatabase(try server.newDatabase())
    for mode in [PostgresServer.StopMode.fast, .immediate] {
      for queue in StoreQueue.allCases { try await database.rows(Self.ping, [], queue) }
      server.stop(mode)
      try server.start()
      for queue in StoreQueue.allCases { try await database.rows(Self.ping, [], queue) }
    }
    await database.close()
  }

  @Test func `callers fail while the server is down and succeed after its return`() async throws {
    let server = try PostgresServer()
    let database = PostgresDatabase(try server.newDatabase())
    try await database.rows(Self.ping)
    server.stop(.immediate)
    for _ in 0..<200 {
      #expect(await storeError { try await database.rows(Self.ping, [], .tokens) }?.code == .unavailable)
    }
    try server.start()
    // Without restarting the gateway's side.
    try #require(
      await eventually {
        await storeError { try await database.rows(Self.ping, [], .tokens) } == nil
      }, "the token queue works again")
    try #require(
      await eventually {
        await storeError { try await database.rows(Self.ping) } == nil
      }, "the other queue works again")
    await database.close()
  }

  @Test func `a frozen server delays the first caller only, up to its limit`() async throws {
    let server = try PostgresServer()
    let database = PostgresDatabase(try server.newDatabase())
    try await database.rows(Self.ping, [], .tokens)
    server.freeze()
    let first = await storeError { try await database.rows(Self.ping, [], .tokens, limit: .seconds(1)) }
    #expect(first?.code == .unavailable)
    // Until the frozen connection is given up, callers wait for it. Afterwards they fail at once, except for one at a
    // time that tries to connect.
    try #require(
      await eventually {
        await storeError { try await database.rows(Self.ping, [], .tokens) } != nil
      }, "the frozen connection is given up")
    let probe = Task {
      await storeError { try await database.rows(Self.ping, [], .tokens, limit: .seconds(60)) }
    }
    for _ in 0..<100 {
      let error = await storeError { try await database.rows(Self.ping, [], .tokens, limit: .seconds(60)) }
      #expect(error?.code == .unavailable)
    }
    _ = await probe.value
    server.thaw()
    try #require(
      await eventually {
        await storeError { try await database.rows(Self.ping, [], .tokens) } == nil
      }, "the token queue works again")
    await database.close()
  }

  @Test func `a statement over its limit is cancelled on the server, and its connection stays usable`() async throws {
    try await withPostgres { database, url in
      let pid = try await database.rows("SELECT pg_backend_pid()", [], .tokens).first?.text(0)
      let sleep = "SELECT pg_sleep(600)"
      let error = await storeError { try await database.rows(sleep, [], .tokens, limit: .milliseconds(300)) }
      #expect(error?.code == .unavailable)
      try #require(
        try await eventually {
          let running = try PostgresServer.shared().sql(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' "
              + "AND pid <> pg_backend_pid() AND datname = current_database()", database: url)
          return running == "0"
        }, "the statement has ended")
      #expect(try await database.rows("SELECT pg_backend_pid()", [], .tokens).first?.text(0) == pid)
    }
  }

  @Test func `a connection killed within a transaction is replaced, and the work is done once`() async throws {
    try await withPostgres { database, _ in
      try await database.rows("CREATE TABLE notes (n bigint)")
      let turns = Collected<Int>()
      try await database.transaction(.tokens, .writing, limit: .seconds(30)) { (session) throws(StoreError) in
        turns.add(0)
        let turn = turns.count
        try session.run("INSERT INTO notes VALUES ($1)", [.integer(Int64(turn))])
        if turn == 1 { _ = try? session.query("SELECT pg_terminate_backend(pg_backend_pid())") }
      }
      #expect(try await database.rows("SELECT n FROM notes").map { $0.integer(0) } == [2])
    }
  }

  @Test func `work that loses every connection fails, and the next work succeeds`() async throws {
    try await withPostgres { database, _ in
      let turns = Mutex(0)
      let error = await storeError {
        try await database.write(.tokens) { session in
          turns.withLock { $0 += 1 }
          _ = try session.query("SELECT pg_terminate_backend(pg_backend_pid())")
        }
      }
      #expect(error?.code == .unavailable)
      #expect(turns.withLock { $0 } == 2)
      try await database.rows(Self.ping, [], .tokens)
    }
  }

  @Test func `queues do not wait for each other, and no caller waits beyond its limit`() async throws {
    try await withPostgres { database, url in
      let asleep = """
        SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
        WHERE query = 'SELECT pg_sleep(601)' AND state = 'active' AND datname = current_database() AND $1 = 'end'
        """
      let ended = Collected<StoreError?>()
      let sleepers = (0..<3).map { _ in
        Task {
          let error = await storeError { try await database.rows("SELECT pg_sleep(601)", limit: .seconds(100)) }
          ended.add(error)
          return error
        }
      }
      let running = asleep.replacing("count(pg_cancel_backend(pid))", with: "count(*)").replacing("$1", with: "'end'")
      try #require(
        try await eventually {
          try ended.count > 0 || PostgresServer.shared().sql(running, database: url) == "3"
        }, "three statements run")
      #expect(ended.all == [])
      try await database.rows(Self.ping, [], .tokens)
      let late = await storeError { try await database.rows(Self.ping, limit: .milliseconds(200)) }
      #expect(late?.message.contains("200 ms") == true)
      // Six more than the queue admits, which are refused at once.
      let refused = Collected<StoreError>()
      let waiters = (0..<70).map { _ in
        Task {
          let error = await storeError { try await database.rows(Self.ping, limit: .seconds(100)) }
          if let error { refused.add(error) }
          return error
        }
      }
      try #require(await eventually { refused.count >= 6 }, "six callers are refused")
      #expect(try await database.rows(asleep, [.text("end")], .tokens).first?.integer(0) == 3)
      for sleeper in sleepers { #expect(await sleeper.value?.code == .unavailable) }
      var answers: [StoreError?] = []
      for waiter in waiters { answers.append(await waiter.value) }
      #expect(answers.count { $0 == nil } == 64)
      #expect(answers.count { $0 == .postgresBusy } == 6)
    }
  }

  @Test func `closing waits for work under way but not for a frozen server`() async throws {
    let server = try PostgresServer()
    let database = PostgresDatabase(try server.newDatabase())
    database.onTokenChange { _, _ in }
    try await database.rows("CREATE TABLE notes (text text)")
    let isRunning = Mutex(false)
    let work = Task {
      try await database.transaction(.catalogue, .writing, limit: .seconds(60)) { (session) throws(StoreError) in
        isRunning.withLock { $0 = true }
        _ = try session.query("SELECT pg_sleep(0.3)")
        try session.run("INSERT INTO notes VALUES ('kept')")
      }
    }
    try #require(await eventually { isRunning.withLock { $0 } }, "the work has begun")
    await database.close()
    try await work.value
    #expect(try server.sql("SELECT text FROM notes", database: "test1") == "kept")
    #expect(await storeError { try await database.rows(Self.ping) } == .closed)

    let other = PostgresDatabase(server.url(of: "test1"))
    other.onTokenChange { _, _ in }
    for queue in StoreQueue.allCases { try await other.rows(Self.ping, [], queue) }
    server.freeze()
    let callers = (0..<5).map { _ in
      Task {
        await storeError { try await other.rows(Self.ping, limit: .seconds(86_400)) }
      }
    }
    // Closing does not wait for the callers, whose limit is a day.
    await other.close()
    for caller in callers { #expect(await caller.value?.code == .unavailable) }
    server.thaw()
  }

  @Test func `two hundred reconnects leak no descriptors and no sessions`() async throws {
    let server = try PostgresServer()
    let url = try server.newDatabase()
    let kill = """
      SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
      """
    let database = PostgresDatabase(url)
    for turn in 0..<200 {
      // Each queue kills the other queue's connection.
      try await database.rows(kill, [], turn % 2 == 0 ? .tokens : .catalogue)
    }
    let sessions = try server.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'test1'", database: "postgres")
    #expect(try #require(Int(sessions)) <= 3)
    let sockets = Self.sockets(to: server.port)
    #expect(sockets <= 3)
    for _ in 0..<20 {
      let other = PostgresDatabase(url)
      other.onTokenChange { _, _ in }
      try await other.rows(Self.ping)
      await other.close()
    }
    await database.close()
    try #require(await eventually { Self.sockets(to: server.port) == 0 }, "all connections have ended")
    try #require(
      try await eventually {
        try server.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'test1'", database: "postgres") == "0"
      }, "all sessions have ended")
  }

  /// Returns the number of this process's open connections to a local port.
  private static func sockets(to port: UInt16) -> Int {
    let own = Set(
      ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).compactMap { name in
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name)
      })
    let remote = ":" + String(port, radix: 16, uppercase: true)
    let lines = ((try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)) ?? "").split(separator: "\n")
    return lines.count { line in
      let words = line.split(separator: " ")
      return words.count > 9 && words[2].hasSuffix(remote) && own.contains("socket:[\(words[9])]")
    }
  }

  @Test func `dropped tables are created again without a restart`() async throws {
    let server = try PostgresServer.shared()
    let url = try server.newDatabase()
    let store = Store(PostgresDatabase(url, schema: "gateway"))
    try await store.open()
    _ = try await store.save(storedToken(1), .main, holder: "a", replacing: nil)
    try server.sql("DROP SCHEMA gateway CASCADE", database: url)
    #expect(await storeError { try await store.load(.main) }?.code == .outdated)
    #expect(try await store.load(.main) == nil)
    #expect(try await store.save(storedToken(2), .main, holder: "a", replacing: nil).savedPair != nil)
    await store.close()
  }
}
