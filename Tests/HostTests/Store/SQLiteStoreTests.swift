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

  /// Returns the message of the error that opening throws.
  private func message(opening path: String) async -> String {
    do throws(StoreError) {
      try await Store(SQLiteDatabase(path: path)).open()
      return ""
    } catch { return error.message }
  }

  /// Runs SQL on the file like another program.
  private func foreign(_ sql: String, _ path: String) throws {
    var handle: OpaquePointer?
    defer { sqlite3_close_v2(handle) }
    try #require(sqlite3_open(path, &handle) == SQLITE_OK)
    try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
  }

  @Test func `a pair survives a process that was killed`() async throws {
    let path = folder.file("a.db")
    let killed = Store(SQLiteDatabase(path: path))
    let saved = try await killed.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    // The first connection is still open, so only committed data are visible.
    let next = Store(SQLiteDatabase(path: path))
    #expect(try await next.load(.main) == saved)
    // The files as after a kill, log included.
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: path + suffix, toPath: folder.file("b.db") + suffix)
    }
    #expect(try await Store(SQLiteDatabase(path: folder.file("b.db"))).load(.main) == saved)
    await killed.close()
  }

  @Test func `the folder is created, and only the owner may read the file and its log`() async throws {
    let store = Store(SQLiteDatabase(path: folder.file("var/deep/a.db")))
    _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(folder.mode("var") == 0o700)
    #expect(folder.mode("var/deep") == 0o700)
    for name in ["a.db", "a.db-wal", "a.db-shm"] { #expect(folder.mode("var/deep/" + name) == 0o600, "\(name)") }
  }

  @Test func `a file that other users can read is protected before use`() async throws {
    let path = folder.file("a.db")
    try await Store(SQLiteDatabase(path: path)).open()
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    try await Store(SQLiteDatabase(path: path)).open()
    #expect(folder.mode("a.db") == 0o600)
  }

  @Test func `a database of another program is refused and unchanged`() async throws {
    let path = folder.file("other.db")
    try foreign("CREATE TABLE iot_tokens (x)", path)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(await code(opening: path) == .foreign)
    #expect(await message(opening: path).contains("another program"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    #expect(folder.mode("other.db") == 0o644)
  }

  @Test func `an empty database with another program's id is refused`() async throws {
    let path = folder.file("other.db")
    try foreign("PRAGMA application_id = 7", path)
    #expect(await code(opening: path) == .foreign)
  }

  @Test func `a file that is not a database is refused and unchanged`() async throws {
    let path = folder.file("notes.txt")
    let text = Data(String(repeating: "these are my notes\n", count: 500).utf8)
    try text.write(to: URL(fileURLWithPath: path))
    #expect(await code(opening: path) == .corrupt)
    #expect(await message(opening: path).contains("not a SQLite database"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == text)
  }

  @Test func `a damaged database is corrupt, and moving it away is the remedy`() async throws {
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

  @Test func `a replaced file is detected by the open store`() async throws {
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

  @Test func `opening again repeats no migration`() async throws {
    let path = folder.file("a.db")
    for _ in 1...3 { try await Store(SQLiteDatabase(path: path)).open() }
    let database = try SQLiteConnection(path: path)
    #expect(try database.integer("SELECT count(*) FROM schema_migrations") == Int64(Migration.all.count))
  }

  @Test func `the file uses a write-ahead log and synchronous commits`() throws {
    let database = try SQLiteConnection(path: folder.file("a.db"))
    #expect(try database.integer("PRAGMA synchronous") == 2)
    #expect(try database.integer("SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1)
    #expect(try database.integer("PRAGMA foreign_keys") == 1)
  }

  @Test func `writing to a read-only database throws readOnly`() async throws {
    let path = folder.file("a.db")
    try await Store(SQLiteDatabase(path: path)).open()
    let code = await storeErrorCode { () throws(StoreError) in
      try await Store(SQLiteDatabase(path: path, .readOnly)).release(.main, holder: "me")
    }
    #expect(code == .readOnly)
  }

  @Test func `a full disk throws full`() async throws {
    let database = try SQLiteConnection(path: folder.file("a.db"))
    try database.execute("PRAGMA max_page_count = 1")
    let code = await storeErrorCode { () throws(StoreError) in
      try database.execute("CREATE TABLE big AS SELECT zeroblob(1000000) AS x")
    }
    #expect(code == .full)
  }

  @Test func `an impossible path is unavailable, and the message names the remedy`() async {
    #expect(await code(opening: "/proc/nowhere/a.db") == .unavailable)
    #expect(await message(opening: "/proc/nowhere/a.db").contains("store.path"))
    #expect(await code(opening: folder.path) == .unavailable)
  }

  @Test func `a locked file is unavailable until the lock is released`() async throws {
    let path = folder.file("a.db")
    let store = Store(SQLiteDatabase(path: path, lockTimeout: .milliseconds(20)))
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

  @Test func `of two connections that saw the same row, exactly one saves`() async throws {
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

  @Test func `concurrent opens of a new file all succeed`() async throws {
    let path = folder.file("a.db")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 1...8 { group.addTask { try await Store(SQLiteDatabase(path: path)).open() } }
      try await group.waitForAll()
    }
    #expect(try SQLiteConnection(path: path).integer("SELECT count(*) FROM schema_migrations") == 4)
  }

  @Test func `a row without a lifetime has the validity that remained when it was written`() async throws {
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

  @Test func `a row with an invalid access token counts as empty`() async throws {
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

  @Test func `no error contains the data to be stored`() async throws {
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

  @Test(.timeLimit(.minutes(1))) func `a worker runs its jobs on one thread, which ends with it`() async throws {
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
