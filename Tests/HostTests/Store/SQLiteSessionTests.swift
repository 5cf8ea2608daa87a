import Foundation
import Glibc
import Synchronization
import Testing

@testable import Host

/// Transactions and statements of the SQLite engine.
@Suite struct SQLiteSessionTests {
  private let folder = StoreFolder()

  private func database(_ mode: SQLiteConnection.Mode = .writable(mayMigrate: true)) -> SQLiteDatabase {
    SQLiteDatabase(path: folder.file("a.db"), mode, lockTimeout: .milliseconds(50))
  }

  private func count(_ database: SQLiteDatabase) async throws(StoreError) -> Int64? {
    try await database.transaction(.catalogue, .reading, limit: .seconds(5)) { (session) throws(StoreError) in
      try session.query("SELECT count(*) FROM things").first?.integer(0)
    }
  }

  private func makeThings(_ database: SQLiteDatabase) async throws(StoreError) {
    _ = try await database.transaction(.catalogue, .writing, limit: .seconds(5)) { (session) throws(StoreError) in
      try session.run("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)")
    }
  }

  @Test func `parameters may occur in any order and more than once`() async throws {
    let row = try await database().transaction(.tokens, .reading, limit: .seconds(5)) { (session) throws(StoreError) in
      try session.query("SELECT $2, $1, $2, $3", [.text("a"), .integer(.min), .null]).first
    }
    #expect(row?.values == [.integer(.min), .text("a"), .integer(.min), .null])
  }

  @Test func `a wrong number of values is refused`() async throws {
    let database = database()
    for values in [[], [SQLValue.null], [.null, .null, .null]] {
      let code = await storeErrorCode { () throws(StoreError) in
        try await database.transaction(.tokens, .reading, limit: .seconds(5)) { (session) throws(StoreError) in
          _ = try session.query("SELECT $2, $1", values)
        }
      }
      #expect(code == .unavailable)
    }
  }

  @Test func `values are never interpreted as SQL`() async throws {
    let database = database()
    try await makeThings(database)
    let long = String(repeating: "x", count: 100_000)
    let hostile = ["'; DROP TABLE things; --", "\u{0}", "a\u{0}b", "ü💡", "", "$1", long]
    try await database.transaction(.catalogue, .writing, limit: .seconds(5)) { (session) throws(StoreError) in
      try session.insert(into: "things", ["name"], hostile.map { [.text($0)] })
    }
    let names = try await database.transaction(.catalogue, .reading, limit: .seconds(5)) {
      (session) throws(StoreError) in try session.query("SELECT name FROM things ORDER BY id").map { $0.text(0) }
    }
    #expect(names == hostile)
  }

  @Test func `a transaction whose body throws is rolled back`() async throws {
    let database = database()
    try await makeThings(database)
    let code = await storeErrorCode { () throws(StoreError) in
      try await database.transaction(.catalogue, .writing, limit: .seconds(5)) { (session) throws(StoreError) in
        #expect(try session.run("INSERT INTO things (name) VALUES ('a'), ('b')") == 2)
        throw StoreError(.conflict, "Not today.")
      }
    }
    #expect(code == .conflict)
    #expect(try await count(database) == 0)
  }

  @Test func `a duplicate value is a conflict, and nothing is inserted`() async throws {
    let database = database()
    try await makeThings(database)
    for rows in [[["a"], ["b"], ["a"]], [["c"], ["c"]]] {
      let code = await storeErrorCode { () throws(StoreError) in
        try await database.transaction(.catalogue, .writing, limit: .seconds(5)) { (session) throws(StoreError) in
          try session.insert(into: "things", ["name"], rows.map { $0.map { .text($0) } })
        }
      }
      #expect(code == .conflict)
    }
    #expect(try await count(database) == 0)
  }

  @Test func `a reading transaction can't change data, and a later writing one can`() async throws {
    let database = database()
    try await makeThings(database)
    let insert = { @Sendable (access: StoreAccess) async throws(StoreError) in
      _ = try await database.transaction(.catalogue, access, limit: .seconds(5)) { (session) throws(StoreError) in
        try session.run("INSERT INTO things (name) VALUES ('a')")
      }
    }
    #expect(await storeErrorCode { () throws(StoreError) in try await insert(.reading) } == .readOnly)
    #expect(try await count(database) == 0)
    try await insert(.writing)
    #expect(try await count(database) == 1)
  }

  @Test func `a statement over its limit is interrupted`() async throws {
    let database = database()
    let code = await storeErrorCode { () throws(StoreError) in
      _ = try await database.transaction(.catalogue, .reading, limit: .milliseconds(100)) {
        (session) throws(StoreError) in
        try session.query("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n")
      }
    }
    #expect(code == .unavailable)
    let next = try await database.transaction(.catalogue, .reading, limit: .seconds(5)) {
      (session) throws(StoreError) in try session.query("SELECT 1").count
    }
    #expect(next == 1)
  }

  @Test func `more statements than the limit of prepared ones work`() async throws {
    let rows = try await database().transaction(.tokens, .reading, limit: .seconds(5)) { (session) throws(StoreError) in
      var sum: Int64 = 0
      for _ in 1...2 {
        for n in 1...200 { sum += try session.query("SELECT \(n) + $1", [.integer(1)]).first?.integer(0) ?? 0 }
      }
      return sum
    }
    #expect(rows == 2 * (201 * 200 / 2 + 200))
  }

  @Test(.timeLimit(.minutes(1))) func `the queues do not wait for each other`() async throws {
    for database in [database(), SQLiteDatabase.inMemory()] {
      try await database.open()
      let busy = Flag()
      let done = Flag()
      async let long: Void = database.transaction(.catalogue, .reading, limit: .seconds(30)) {
        (session) throws(StoreError) in
        _ = try session.query("SELECT 1")
        busy.raise()
        // Occupies its thread, like a long query, until the other queue has done its work.
        while !done.isRaised { usleep(1000) }
      }
      while !busy.isRaised { await Task.yield() }
      _ = try await Store(database).save(storedToken(1), .main, holder: "me", replacing: nil)
      done.raise()
      try await long
    }
  }

  @Test func `a memory database survives errors, and every queue has its tables`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let saved = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    let code = await storeErrorCode { () throws(StoreError) in try await store.sql("SELECT nonsense") }
    #expect(code == .unavailable)
    #expect(try await store.load(.main) == saved)
    #expect(try await store.database.pendingMigrations() == [])
    let objects = try await store.database.transaction(.catalogue, .reading, limit: .seconds(5)) {
      (session) throws(StoreError) in try session.query("SELECT count(*) FROM objects").first?.integer(0)
    }
    #expect(objects == 0)
  }

  @Test func `a read-only database neither creates nor changes a file`() async throws {
    let code = await storeErrorCode { () throws(StoreError) in _ = try await Store(database(.readOnly)).tokenRows() }
    #expect(code == .unavailable)
    #expect(!FileManager.default.fileExists(atPath: folder.file("a.db")))
    let owner = Store(database())
    _ = try await owner.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(try await Store(database(.readOnly)).tokenRows().map(\.adapter) == ["main"])
  }

  @Test(arguments: StoreError.Code.allCases)
  func `an unavailable or read-only store does not prevent the start`(_ code: StoreError.Code) {
    let goesOn: Set<StoreError.Code> = [.unavailable, .full, .conflict, .readOnly]
    #expect(StoreError(code, "").preventsStart != goesOn.contains(code))
  }

  @Test func `a file that became read-only can still be read`() async throws {
    let owner = Store(database())
    let saved = try await owner.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    for name in ["a.db", "a.db-wal", "a.db-shm"] { chmod(folder.file(name), 0o444) }
    chmod(folder.path, 0o555)
    defer { chmod(folder.path, 0o755) }
    // Root may write regardless of the mode. So the queue's thread, which the first job creates here, changes its file
    // user.
    let become = try #require(setFileUser())
    let other = Store(database())
    _ = become(getuid() == 0 ? 65534 : getuid())
    let loading = Task.immediate { try await other.load(.main) }
    _ = become(getuid())
    #expect(try await loading.value == saved)
    #expect(
      await storeErrorCode { () throws(StoreError) in
        _ = try await other.claim(.main, holder: "other", seen: saved, for: .seconds(1))
      } == .readOnly)
    #expect(try await other.load(.main) == saved)
    await owner.close()
  }
}

/// setfsuid(2), which affects the calling thread and the threads that it creates.
private func setFileUser() -> (@convention(c) (uid_t) -> Int32)? {
  dlsym(nil, "setfsuid").map { unsafeBitCast($0, to: (@convention(c) (uid_t) -> Int32).self) }
}

/// A flag that one thread raises and another reads.
private final class Flag: Sendable {
  private let value = Mutex(false)
  var isRaised: Bool { value.withLock { $0 } }
  func raise() { value.withLock { $0 = true } }
}
