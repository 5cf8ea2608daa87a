import Foundation
import Glibc
import TestSupport
import Testing

@testable import Host

/// Transactions and statements of the SQLite engine.
@Suite struct SQLiteSessionTests {
  private let folder = StoreFolder()

  private func database(_ mode: SQLiteConnection.Mode = .writable(mayMigrate: true)) -> SQLiteDatabase {
    SQLiteDatabase(path: folder.file("a.db"), mode, lockTimeout: .milliseconds(50))
  }

  private func count(_ database: SQLiteDatabase) async throws -> Int64? {
    try await database.rows("SELECT count(*) FROM things", access: .reading).first?.integer(0)
  }

  private func withThings() async throws -> SQLiteDatabase {
    let database = database()
    try await database.rows("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)")
    return database
  }

  @Test func `parameters may occur in any order and more than once`() async throws {
    let rows = try await database().rows("SELECT $2, $1, $2, $3", [.text("a"), .integer(.min), .null])
    #expect(rows.first?.values == [.integer(.min), .text("a"), .integer(.min), .null])
  }

  @Test func `a wrong number of values is refused`() async throws {
    let database = database()
    for values in [[], [SQLValue.null], [.null, .null, .null]] {
      #expect(await storeError { try await database.rows("SELECT $2, $1", values) }?.code == .unavailable)
    }
  }

  @Test func `values are never interpreted as SQL`() async throws {
    let database = try await withThings()
    let long = String(repeating: "x", count: 100_000)
    let hostile = ["'; DROP TABLE things; --", "\u{0}", "a\u{0}b", "ü💡", "", "$1", long]
    try await database.write { try $0.insert(into: "things", ["name"], hostile.map { [.text($0)] }) }
    #expect(try await database.rows("SELECT name FROM things ORDER BY id").map { $0.text(0) } == hostile)
  }

  @Test func `a transaction whose body throws is rolled back`() async throws {
    let database = try await withThings()
    let error = await storeError {
      try await database.write { session in
        #expect(try session.run("INSERT INTO things (name) VALUES ('a'), ('b')") == 2)
        throw StoreError(.conflict, "Not today.")
      }
    }
    #expect(error?.code == .conflict)
    #expect(try await count(database) == 0)
  }

  @Test func `a duplicate value is a conflict, and nothing is inserted`() async throws {
    let database = try await withThings()
    for names in [["a", "b", "a"], ["c", "c"]] {
      let error = await storeError {
        try await database.write { try $0.insert(into: "things", ["name"], names.map { [.text($0)] }) }
      }
      #expect(error?.code == .conflict)
    }
    #expect(try await count(database) == 0)
  }

  @Test func `a reading transaction can't change data, and a later writing one can`() async throws {
    let database = try await withThings()
    let insert = "INSERT INTO things (name) VALUES ('a')"
    #expect(await storeError { try await database.rows(insert, access: .reading) }?.code == .readOnly)
    #expect(try await count(database) == 0)
    try await database.rows(insert)
    #expect(try await count(database) == 1)
  }

  @Test func `a statement over its limit is interrupted`() async throws {
    let database = database()
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    let error = await storeError { try await database.rows(endless, access: .reading, limit: .milliseconds(100)) }
    #expect(error?.code == .unavailable)
    #expect(try await database.rows("SELECT 1", access: .reading).count == 1)
  }

  @Test func `more statements than the limit of prepared ones work`() async throws {
    let sum = try await database().write { session in
      var sum: Int64 = 0
      for _ in 1...2 {
        for n in 1...200 { sum += try session.query("SELECT \(n) + $1", [.integer(1)]).first?.integer(0) ?? 0 }
      }
      return sum
    }
    #expect(sum == 2 * (201 * 200 / 2 + 200))
  }

  @Test(.timeLimit(.minutes(1))) func `the queues do not wait for each other`() async throws {
    for database in [database(), SQLiteDatabase.inMemory()] {
      try await database.open()
      let busy = Collected<Bool>()
      let done = ThreadSignal()
      async let long: Void = database.transaction(.catalogue, .reading, limit: .seconds(30)) {
        (session) throws(StoreError) in
        _ = try session.query("SELECT 1")
        busy.add(true)
        // Occupies its thread, like a long query, until the other queue has done its work.
        done.wait(atMost: .seconds(30))
      }
      try #require(await eventually { busy.count == 1 }, "the transaction has begun")
      _ = try await Store(database).save(storedToken(1), .main, holder: "me", replacing: nil)
      done.signal()
      try await long
    }
  }

  @Test func `a memory database survives errors, and every queue has its tables`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let saved = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    #expect(await storeError { try await store.sql("SELECT nonsense") }?.code == .unavailable)
    #expect(try await store.load(.main) == saved)
    #expect(try await store.database.pendingMigrations() == [])
    #expect(try await store.database.rows("SELECT count(*) FROM objects").first?.integer(0) == 0)
  }

  @Test func `a read-only database neither creates nor changes a file`() async throws {
    #expect(await storeError { try await Store(database(.readOnly)).tokenRows() }?.code == .unavailable)
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
    let error = await storeError { try await other.claim(.main, holder: "other", seen: saved, for: .seconds(1)) }
    #expect(error?.code == .readOnly)
    #expect(try await other.load(.main) == saved)
    await owner.close()
  }
}

/// setfsuid(2), which affects the calling thread and the threads that it creates.
private func setFileUser() -> (@convention(c) (uid_t) -> Int32)? {
  dlsym(nil, "setfsuid").map { unsafeBitCast($0, to: (@convention(c) (uid_t) -> Int32).self) }
}
