import AdapterAPI
import CSQLite
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite struct SQLiteStoreTests {
  private let folder = StoreFolder()

  private var path: String { folder.file("a.db") }

  private func newStore() -> Store { Store(SQLiteDatabase(path: path)) }

  private func error(opening path: String) async -> StoreError? {
    await storeError { try await Store(SQLiteDatabase(path: path)).open() }
  }

  /// Runs SQL on the file like another program.
  private func foreign(_ sql: String) throws {
    var handle: OpaquePointer?
    defer { sqlite3_close_v2(handle) }
    try #require(sqlite3_open(path, &handle) == SQLITE_OK)
    try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
  }

  @Test func `a pair survives a process that was killed`() async throws {
    let killed = newStore()
    let saved = try await killed.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    // The first connection is still open, so only committed data are visible.
    let next = newStore()
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
    try await newStore().open()
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    try await newStore().open()
    #expect(folder.mode("a.db") == 0o600)
  }

  @Test func `a database of another program is refused and unchanged`() async throws {
    try foreign("CREATE TABLE iot_tokens (x)")
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let error = await error(opening: path)
    #expect(error?.code == .foreign && error?.message.contains("another program") == true)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    #expect(folder.mode("a.db") == 0o644)
  }

  @Test func `an empty database with another program's id is refused`() async throws {
    try foreign("PRAGMA application_id = 7")
    #expect(await error(opening: path)?.code == .foreign)
  }

  @Test func `a file that is not a database is refused and unchanged`() async throws {
    let text = Data(String(repeating: "these are my notes\n", count: 500).utf8)
    try text.write(to: URL(fileURLWithPath: path))
    let error = await error(opening: path)
    #expect(error?.code == .corrupt && error?.message.contains("not a SQLite database") == true)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == text)
  }

  @Test func `a damaged database is corrupt, and moving it away is the remedy`() async throws {
    let first = newStore()
    _ = try await first.save(storedToken(1), .main, holder: "me", replacing: nil)
    await first.close()
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.seek(toOffset: 4096)
    try file.write(contentsOf: Data(repeating: 0xa5, count: Int(try file.seekToEnd()) - 4096))
    try file.seek(toOffset: 4096)
    try file.write(contentsOf: Data(repeating: 0xa5, count: 8192))
    try file.close()
    let store = newStore()
    #expect(await storeError { try await store.load(.main) }?.code == .corrupt)
    try FileManager.default.moveItem(atPath: path, toPath: path + ".damaged")
    for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    #expect(try await store.load(.main) == nil)
  }

  @Test func `a replaced file is detected by the open store`() async throws {
    let store = newStore()
    let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: path + suffix) }
    _ = try await store.save(storedToken(2), .main, holder: "me", replacing: first)
    #expect(try await newStore().load(.main)?.token == storedToken(2))
  }

  @Test func `a file of a newer version is refused`() async throws {
    try await newStore().open()
    try foreign("INSERT INTO schema_migrations VALUES (999, 'future', 0)")
    #expect(await error(opening: path)?.code == .newer)
  }

  @Test func `the file uses a write-ahead log and synchronous commits`() throws {
    let database = try SQLiteConnection(path: path)
    #expect(try database.integer("PRAGMA synchronous") == 2)
    #expect(try database.integer("SELECT journal_mode = 'wal' FROM pragma_journal_mode") == 1)
    #expect(try database.integer("PRAGMA foreign_keys") == 1)
  }

  @Test func `writing to a read-only database throws readOnly`() async throws {
    try await newStore().open()
    let reader = Store(SQLiteDatabase(path: path, .readOnly))
    #expect(await storeError { try await reader.release(.main, holder: "me") }?.code == .readOnly)
  }

  @Test func `a full disk throws full`() async throws {
    let database = try SQLiteConnection(path: path)
    try database.execute("PRAGMA max_page_count = 1")
    let error = await storeError { try database.execute("CREATE TABLE big AS SELECT zeroblob(1000000) AS x") }
    #expect(error?.code == .full)
  }

  @Test func `an impossible path is unavailable, and the message names the remedy`() async {
    let error = await error(opening: "/proc/nowhere/a.db")
    #expect(error?.code == .unavailable && error?.message.contains("store.path") == true)
    #expect(await self.error(opening: folder.path)?.code == .unavailable)
  }

  @Test func `a locked file is unavailable until the lock is released`() async throws {
    let store = Store(SQLiteDatabase(path: path, lockTimeout: .milliseconds(20)))
    try await store.open()
    let other = try SQLiteConnection(path: path)
    try other.execute("BEGIN IMMEDIATE")
    let error = await storeError { try await store.save(storedToken(1), .main, holder: "me", replacing: nil) }
    #expect(error?.code == .unavailable)
    try other.execute("COMMIT")
    _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
  }

  @Test func `concurrent opens of a new file all succeed, and opening again repeats no migration`() async throws {
    _ = try await concurrently(1...8) { [path] _ in try await Store(SQLiteDatabase(path: path)).open() }
    for _ in 1...3 { try await newStore().open() }
    let migrations = try SQLiteConnection(path: path).integer("SELECT count(*) FROM schema_migrations")
    #expect(migrations == Int64(Migration.all.count))
  }

  /// Opens a store, and inserts a token row like another program.
  private func store(withRow columns: String, _ values: String) async throws -> Store {
    let store = newStore()
    try await store.open()
    let upstream = TokenKey.main.upstream
    try foreign(
      """
      INSERT INTO iot_tokens (refresh_token, expires_at, adapter, upstream, \(columns))
      VALUES ('r', 9000, 'main', '\(upstream)', \(values))
      """)
    return store
  }

  @Test func `a row without a lifetime has the validity that remained when it was written`() async throws {
    let store = try await store(withRow: "access_token, updated_at", "'a', 2000")
    #expect(try await store.load(.main)?.token.lifetime == 7000)
  }

  @Test func `a row with an invalid access token counts as empty`() async throws {
    let store = try await store(withRow: "access_token", "'a' || char(13, 10) || 'X: y'")
    #expect(try await store.load(.main) == nil)
    let saved = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(saved.savedPair?.version == 2)
  }

  @Test func `no error contains the data to be stored`() async throws {
    let store = newStore()
    try await store.open()
    try foreign("CREATE TRIGGER t BEFORE INSERT ON iot_tokens BEGIN SELECT raise(ABORT, 'no'); END")
    let error = await storeError { try await store.save(storedToken(1), .main, holder: "me", replacing: nil) }
    let text = try #require(error).description
    #expect(!text.contains("access-1") && !text.contains("refresh-1"))
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
    #expect(await eventually { gone == nil })
  }
}

private actor OnWorker {
  private nonisolated let worker: WorkerThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(_ worker: WorkerThread) { self.worker = worker }

  func thread() -> pthread_t { pthread_self() }
}
