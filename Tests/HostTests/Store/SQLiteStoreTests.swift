import AdapterAPI
import CSQLite
import Foundation
import Testing

@testable import Host

@Suite struct SQLiteStoreTests {
  private let folder = StoreFolder()

  private func code(opening path: String) async -> StoreError.Code? {
    await storeErrorCode { () throws(StoreError) in try await Store(SQLiteDatabase(path: path)).open() }
  }

  /// The sentence of the error that opening gives.
  private func message(opening path: String) async -> String {
    do throws(StoreError) {
      try await Store(SQLiteDatabase(path: path)).open()
      return ""
    } catch { return error.message }
  }

  /// Runs SQL on the file as some other program would.
  private func foreign(_ sql: String, _ path: String) throws {
    var handle: OpaquePointer?
    defer { sqlite3_close_v2(handle) }
    try #require(sqlite3_open(path, &handle) == SQLITE_OK)
    try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
  }

  @Test func `a pair survives a process that never closed its store`() async throws {
    let path = folder.file("a.db")
    let killed = Store(SQLiteDatabase(path: path))
    let saved = try await killed.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    // The first connection is still open: only what was committed can be seen.
    let next = Store(SQLiteDatabase(path: path))
    #expect(try await next.load(.main) == saved)
    // And the files as a kill leaves them, log included.
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: path + suffix, toPath: folder.file("b.db") + suffix)
    }
    #expect(try await Store(SQLiteDatabase(path: folder.file("b.db"))).load(.main) == saved)
    await killed.close()
  }

  @Test func `the file and its log are the owner's alone and the folder is made`() async throws {
    let store = Store(SQLiteDatabase(path: folder.file("var/deep/a.db")))
    _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(folder.mode("var") == 0o700)
    #expect(folder.mode("var/deep") == 0o700)
    for name in ["a.db", "a.db-wal", "a.db-shm"] { #expect(folder.mode("var/deep/" + name) == 0o600, "\(name)") }
  }

  @Test func `a file that others may read is closed to them before it is used`() async throws {
    let path = folder.file("a.db")
    try await Store(SQLiteDatabase(path: path)).open()
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    try await Store(SQLiteDatabase(path: path)).open()
    #expect(folder.mode("a.db") == 0o600)
  }

  @Test func `a database of another program is refused and left as it is`() async throws {
    let path = folder.file("other.db")
    try foreign("CREATE TABLE iot_tokens (x)", path)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(await code(opening: path) == .foreign)
    #expect(await message(opening: path).contains("another program"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    #expect(folder.mode("other.db") == 0o644)
  }

  @Test func `another program's mark on an empty database is refused`() async throws {
    let path = folder.file("other.db")
    try foreign("PRAGMA application_id = 7", path)
    #expect(await code(opening: path) == .foreign)
  }

  @Test func `a file that is no database is refused and left as it is`() async throws {
    let path = folder.file("notes.txt")
    let text = Data(String(repeating: "these are my notes\n", count: 500).utf8)
    try text.write(to: URL(fileURLWithPath: path))
    #expect(await code(opening: path) == .corrupt)
    #expect(await message(opening: path).contains("not a SQLite database"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == text)
  }

  @Test func `a damaged database is told from an unavailable one and mended by moving it away`() async throws {
    let path = folder.file("a.db")
    let first = Store(SQLiteDatabase(path: path))
    _ = try await first.save(storedToken(1), .main, holder: "me", replacing: nil)
    await first.close()
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.seek(toOffset: 4096)
    try file.write(contentsOf: Data(repeating: 0xa5, count: Int(try file.seekToEnd()) - 4096))
    try file.seek(toOffset: 4096)
    try file.write(contentsOf: Data(repeating: 0xa5, count: 8192))
    try file.close()
    let store = Store(SQLiteDatabase(path: path))
    #expect(
      await storeErrorCode { () throws(StoreError) in
        _ = try await store.load(.main)
      } == .corrupt)
    try FileManager.default.moveItem(atPath: path, toPath: path + ".damaged")
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    #expect(try await store.load(.main) == nil)
  }

  @Test func `a file that was replaced under the open store is noticed`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path))
    let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: path + suffix) }
    _ = try await store.save(storedToken(2), .main, holder: "me", replacing: first)
    #expect(try await Store(SQLiteDatabase(path: path)).load(.main)?.token == storedToken(2))
  }

  @Test func `a file of a newer version is refused`() async throws {
    let path = folder.file("a.db")
    try await Store(SQLiteDatabase(path: path)).open()
    try foreign("INSERT INTO schema_migrations VALUES (999, 'future', 0)", path)
    #expect(await code(opening: path) == .newer)
  }

  @Test func `opening again migrates nothing twice`() async throws {
    let path = folder.file("a.db")
    for _ in 1...3 { try await Store(SQLiteDatabase(path: path)).open() }
    let database = try SQLiteConnection(path: path)
    #expect(try database.integer("SELECT count(*) FROM schema_migrations") == Int64(Migration.all.count))
  }

  @Test func `the log is written ahead and every commit is synchronous`() throws {
    let database = try SQLiteConnection(path: folder.file("a.db"))
    #expect(try database.integer("PRAGMA synchronous") == 2)
    #expect(try database.integer("SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1)
    #expect(try database.integer("PRAGMA foreign_keys") == 1)
  }

  @Test func `a database that may only be read is told so`() async throws {
    let path = folder.file("a.db")
    try await Store(SQLiteDatabase(path: path)).open()
    let code = await storeErrorCode { () throws(StoreError) in
      try await Store(SQLiteDatabase(path: path, .readOnly)).release(.main, holder: "me")
    }
    #expect(code == .readOnly)
  }

  @Test func `a full disk is told so`() async throws {
    let database = try SQLiteConnection(path: folder.file("a.db"))
    try database.execute("PRAGMA max_page_count = 1")
    let code = await storeErrorCode { () throws(StoreError) in
      try database.execute("CREATE TABLE big AS SELECT zeroblob(1000000) AS x")
    }
    #expect(code == .full)
  }

  @Test func `a place that can't be is unavailable and the message says what to do`() async {
    #expect(await code(opening: "/proc/nowhere/a.db") == .unavailable)
    #expect(await message(opening: "/proc/nowhere/a.db").contains("store.path"))
    #expect(await code(opening: folder.path) == .unavailable)
  }

  @Test func `a file that another process has locked is unavailable and works when it lets go`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path, patience: .milliseconds(20)))
    try await store.open()
    let other = try SQLiteConnection(path: path)
    try other.execute("BEGIN IMMEDIATE")
    let save = { () async throws(StoreError) in
      let token = try? storedToken(1)
      guard let token else { return }
      _ = try await store.save(token, .main, holder: "me", replacing: nil)
    }
    #expect(await storeErrorCode(save) == .unavailable)
    try other.execute("COMMIT")
    #expect(await storeErrorCode(save) == nil)
  }

  @Test func `of two connections that saw the same row exactly one wins`() async throws {
    let path = folder.file("a.db")
    let stores = [Store(SQLiteDatabase(path: path)), Store(SQLiteDatabase(path: path))]
    var seen = try await stores[0].save(storedToken(0), .main, holder: "me", replacing: nil).savedPair
    for round in 1...10 {
      let old = seen
      async let a = stores[0].save(storedToken(2 * round), .main, holder: "me", replacing: old)
      async let b = stores[1].save(storedToken(2 * round + 1), .main, holder: "me", replacing: old)
      let outcomes = try await [a, b]
      let winners = outcomes.compactMap(\.savedPair)
      #expect(winners.count == 1)
      #expect(outcomes.compactMap(\.winner) == winners)
      seen = winners.first
    }
  }

  @Test func `many that open the same new file at once all get a store`() async throws {
    let path = folder.file("a.db")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 1...8 { group.addTask { try await Store(SQLiteDatabase(path: path)).open() } }
      try await group.waitForAll()
    }
    #expect(try SQLiteConnection(path: path).integer("SELECT count(*) FROM schema_migrations") == 4)
  }

  @Test func `a row without a lifetime has what was left when it was written`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path))
    try await store.open()
    try foreign(
      """
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at, adapter, upstream, updated_at)
      VALUES ('a', 'r', 9000, 'main', '\(TokenKey.main.upstream)', 2000)
      """, path)
    #expect(try await store.load(.main)?.token.lifetime == 7000)
  }

  @Test func `a row whose access token could stand in no header counts as none`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path))
    try await store.open()
    try foreign(
      """
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at, adapter, upstream)
      VALUES ('a' || char(13, 10) || 'X: y', 'r', 9000, 'main', '\(TokenKey.main.upstream)')
      """, path)
    #expect(try await store.load(.main) == nil)
    let saved = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(saved.savedPair?.version == 2)
  }

  @Test func `no message holds what was to be stored`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path))
    try await store.open()
    try foreign("CREATE TRIGGER t BEFORE INSERT ON iot_tokens BEGIN SELECT raise(ABORT, 'no'); END", path)
    do throws(StoreError) {
      guard let token = try? storedToken(1) else { return }
      _ = try await store.save(token, .main, holder: "me", replacing: nil)
      Issue.record("the trigger let it through")
    } catch {
      #expect(!error.description.contains("access-1") && !error.description.contains("refresh-1"))
    }
  }

  @Test(.timeLimit(.minutes(1))) func `work runs on the store's own thread and the thread ends with it`() async throws {
    var worker: WorkerThread? = WorkerThread()
    weak let gone = worker
    let threads = try await withThrowingTaskGroup(of: pthread_t.self) { group in
      for _ in 1...50 {
        let actor = try OnWorker(#require(worker))
        group.addTask { await actor.thread() }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(threads.count == 1)
    worker = nil
    // The thread may still be leaving its last job.
    while gone != nil { await Task.yield() }
  }
}

private actor OnWorker {
  private nonisolated let worker: WorkerThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(_ worker: WorkerThread) { self.worker = worker }

  func thread() -> pthread_t { pthread_self() }
}
