import CSQLite
import Glibc

/// One connection to a SQLite database of the gateway. Not `Sendable`: it belongs to the queue that opened it.
///
/// Opening creates the folder (0700) and the file (0600) before secrets are written, refuses files of other programs,
/// and sets durability: a write-ahead log with `synchronous = FULL`, so that a commit that returned survives a power
/// failure.
final class SQLiteConnection {
  /// "PtGt" in the file's header marks the gateway's files (https://sqlite.org/pragma.html#pragma_application_id).
  static let applicationID: Int64 = 0x5074_4774
  /// The number of statements that stay prepared.
  private static let statementLimit = 64

  /// Nil for a database in memory.
  let path: String?
  let handle: OpaquePointer
  /// An error has shown that a new connection is needed.
  private(set) var isBroken = false
  /// The file that was opened, to detect its replacement.
  private let identity: SQLiteFile.Identity?
  private var statements: [String: SQLiteStatement] = [:]
  private var isQueryOnly = false
  /// The end of the time for the transaction under way.
  private var deadline = ContinuousClock.now

  enum Mode: Equatable {
    /// Creates the file if it is missing, and migrates the schema if allowed.
    case writable(mayMigrate: Bool)
    /// Creates and changes nothing.
    case readOnly
  }

  init(path: String?, _ mode: Mode = .writable(mayMigrate: true), wait: Duration = .seconds(2)) throws(StoreError) {
    self.path = path
    if let path { try Self.find(path, mode) }
    var opened: OpaquePointer?
    let access = mode == .readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
    let code = sqlite3_open_v2(
      path ?? ":memory:", &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard let opened else { throw StoreError(.unavailable, "\(Self.name(path)) can't be opened: out of memory.") }
    handle = opened
    identity = path.flatMap { SQLiteFile.Identity($0) }
    guard code == SQLITE_OK else { throw error(code) }
    setDeadline(.now + wait, wait: wait)
    try addMetadataFunction()
    try refuseForeignFile()
    if case .writable(let mayMigrate) = mode { try prepare(mayMigrate) }
  }

  /// `close_v2` waits for statements that still exist.
  deinit { sqlite3_close_v2(handle) }

  /// The path still leads to the open file. SQLite itself would continue to write to a deleted file.
  var isInPlace: Bool {
    guard let path else { return true }
    return identity != nil && SQLiteFile.Identity(path) == identity
  }

  /// Runs one or more statements without values.
  func execute(_ sql: String) throws(StoreError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code) }
  }

  /// Runs `body` in a transaction. A writing transaction takes the write lock at its start (`IMMEDIATE`), so that the
  /// data that `body` reads stay valid until it has written.
  ///
  /// - Parameter wait: the longest wait for another process's lock.
  func transaction<Value>(
    _ access: StoreAccess, until deadline: ContinuousClock.Instant, wait: Duration,
    _ body: (any SQLSession) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    setDeadline(deadline, wait: wait)
    try setQueryOnly(access == .reading)
    try run(access == .reading ? "BEGIN" : "BEGIN IMMEDIATE")
    do throws(StoreError) {
      let value = try body(self)
      try run("COMMIT")
      return value
    } catch {
      // After some errors SQLite has rolled back already; another ROLLBACK would fail.
      if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
      if sqlite3_get_autocommit(handle) == 0 { isBroken = true }
      throw error
    }
  }

  func integer(_ sql: String) throws(StoreError) -> Int64 { try query(sql).first?.integer(0) ?? 0 }

  private func setQueryOnly(_ wanted: Bool) throws(StoreError) {
    if wanted == isQueryOnly { return }
    try execute("PRAGMA query_only = \(wanted ? 1 : 0)")
    isQueryOnly = wanted
  }

  /// Interrupts statements at the deadline, and limits the wait for locks to `wait`.
  private func setDeadline(_ deadline: ContinuousClock.Instant, wait: Duration) {
    self.deadline = deadline
    let most = max(.zero, min(wait, deadline - .now, .seconds(600)))
    sqlite3_busy_timeout(handle, Int32(most / .milliseconds(1)))
    sqlite3_progress_handler(
      handle, 100_000,
      { context in
        guard let context else { return 0 }
        let connection = Unmanaged<SQLiteConnection>.fromOpaque(context).takeUnretainedValue()
        return ContinuousClock.now < connection.deadline ? 0 : 1
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func refuseForeignFile() throws(StoreError) {
    // The tables are counted before the id is read: the creator of the tables sets the id in the same transaction.
    let tables = try integer("SELECT count(*) FROM sqlite_schema")
    let id = try integer("PRAGMA application_id")
    if id == Self.applicationID { return }
    guard id == 0, tables == 0 else {
      throw StoreError(
        .foreign,
        "\(name) is a SQLite database of another program. "
          + "Use another file in 'store.path'.")
    }
  }

  private func prepare(_ mayMigrate: Bool) throws(StoreError) {
    if let path {
      guard sqlite3_db_readonly(handle, "main") == 0 else { throw SQLiteFile.readOnly(path) }
      try SQLiteFile.restrictToOwner(path)
      try writeAhead()
    }
    try execute(
      """
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA secure_delete = ON;
      """)
    // An up-to-date database is opened without a lock.
    let isMarked = try integer("PRAGMA application_id") == Self.applicationID
    if isMarked, try Migrations.pending(self, file: name).isEmpty { return }
    try execute("BEGIN IMMEDIATE")
    do throws(StoreError) {
      // Checked again under the write lock: two processes may open an empty file at the same time.
      try refuseForeignFile()
      try Migrations.run(self, file: name, mayMigrate: mayMigrate)
      try execute("PRAGMA application_id = \(Self.applicationID); COMMIT")
    } catch {
      sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      throw error
    }
  }

  /// Sets the journal mode. Connections that do this to a new file at the same time block each other, and SQLite then
  /// fails at once despite the busy timeout. So this repeats until the deadline.
  private func writeAhead() throws(StoreError) {
    while true {
      let code = sqlite3_exec(handle, "PRAGMA journal_mode = WAL", nil, nil, nil)
      if code == SQLITE_OK { return }
      guard code & 0xff == SQLITE_BUSY, ContinuousClock.now < deadline else { throw error(code) }
      usleep(2000)
    }
  }

  private static func find(_ path: String, _ mode: Mode) throws(StoreError) {
    if mode == .writable(mayMigrate: true) { return try SQLiteFile.make(path) }
    if SQLiteFile.exists(path) { return }
    if mode == .readOnly {
      throw StoreError(.unavailable, "There is no database '\(path)'. The gateway creates it on its first run.")
    }
    throw StoreError(
      .outdated,
      "There is no database '\(path)', and 'store: {migrate: false}' forbids creating it. Remove that key for one start."
    )
  }

  /// The database as messages name it.
  var name: String { Self.name(path) }

  private static func name(_ path: String?) -> String { path.map { "'\($0)'" } ?? "the memory store" }

  // MARK: Errors

  /// Converts a SQLite result code. SQLite's own message is omitted: it may quote SQL, and it tells the operator less.
  func error(_ code: Int32) -> StoreError {
    switch code & 0xff {
    case SQLITE_NOTADB:
      isBroken = true
      return StoreError(
        .corrupt, "\(name) is not a SQLite database. Move it away, or use another file in 'store.path'.")
    case SQLITE_CORRUPT:
      isBroken = true
      return StoreError(
        .corrupt,
        "The database \(name) is damaged. Move it away (with -wal and -shm); the gateway then creates a new one.")
    case SQLITE_READONLY: return SQLiteFile.readOnly(path ?? ":memory:")
    case SQLITE_FULL:
      return StoreError(.full, "The database \(name) can't grow: the disk is full. Free some space.")
    case SQLITE_BUSY, SQLITE_LOCKED:
      return StoreError(
        .unavailable, "Another process has locked the database \(name). If this lasts, find the process with 'fuser'.")
    case SQLITE_INTERRUPT:
      return StoreError(.unavailable, "The database \(name) did not respond in time.")
    case SQLITE_CONSTRAINT where Self.conflicts.contains(code):
      return StoreError(.conflict, "The database \(name) has a row with this value already.")
    default:
      isBroken = true
      return StoreError(
        .unavailable,
        "The database \(name) failed (SQLite \(code): \(String(cString: sqlite3_errstr(code)))). "
          + "Check the disk and the rights of the file and its folder.")
    }
  }

  /// Extended result codes (https://sqlite.org/rescode.html), whose macros Swift can't import.
  private static let conflicts: Set<Int32> = [
    SQLITE_CONSTRAINT | 6 << 8,  // PRIMARYKEY
    SQLITE_CONSTRAINT | 8 << 8,  // UNIQUE
    SQLITE_CONSTRAINT | 10 << 8,  // ROWID
  ]
}

extension SQLiteConnection: SQLSession {
  var dialect: SQLDialect { .sqlite }

  func query(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [SQLRow] {
    var rows: [SQLRow] = []
    try statement(sql).run(values) { rows.append($0) }
    return rows
  }

  func run(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Int {
    let before = sqlite3_total_changes(handle)
    try statement(sql).run(values)
    return Int(sqlite3_total_changes(handle) &- before)
  }

  func insert(into table: String, _ columns: [String], _ rows: [[SQLValue]]) throws(StoreError) {
    let parameters = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    let statement = try statement("INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(parameters))")
    for row in rows { try statement.run(row) }
  }

  private func statement(_ sql: String) throws(StoreError) -> SQLiteStatement {
    if let statement = statements[sql] { return statement }
    let statement = try SQLiteStatement(sql, in: self)
    // There are few different statements. Only value lists of many lengths add more.
    if statements.count >= Self.statementLimit { statements.removeAll(keepingCapacity: true) }
    statements[sql] = statement
    return statement
  }
}
