import CSQLite
import Glibc

/// One connection to a SQLite database of ours. Not `Sendable`: it belongs to the lane that opened it.
///
/// Opening makes the folder (0700) and the file (0600) before anything secret can stand in it, refuses what is not
/// ours, and sets durability: write-ahead log with `synchronous = FULL`, so that a commit that returned survives a
/// power cut.
final class SQLiteConnection {
  /// "PtGt", in the file's header: how we tell our files from other programs'
  /// (https://sqlite.org/pragma.html#pragma_application_id).
  static let applicationID: Int64 = 0x5074_4774
  /// How many statements stay prepared.
  private static let statementLimit = 64

  /// Nil: the connection's own memory.
  let path: String?
  let handle: OpaquePointer
  /// An error has shown that a new connection is needed.
  private(set) var isBroken = false
  /// Which file was opened, to notice that somebody put another one in its place.
  private let identity: SQLiteFile.Identity?
  private var statements: [String: SQLiteStatement] = [:]
  private var isQueryOnly = false
  /// When the transaction under way has to be over.
  private var deadline = ContinuousClock.now

  enum Mode: Equatable {
    /// Makes what is missing and brings the schema up to date, the latter only if it may.
    case writable(mayMigrate: Bool)
    /// Makes and changes nothing.
    case readOnly
  }

  init(path: String?, _ mode: Mode = .writable(mayMigrate: true), wait: Duration = .seconds(2)) throws(StoreError) {
    self.path = path
    if let path { try Self.find(path, mode) }
    var opened: OpaquePointer?
    let access = mode == .readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
    let code = sqlite3_open_v2(
      path ?? ":memory:", &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard let opened else { throw StoreError(.unavailable, "There is no memory for opening \(Self.name(path)).") }
    handle = opened
    identity = path.flatMap { SQLiteFile.Identity($0) }
    guard code == SQLITE_OK else { throw error(code) }
    setDeadline(.now + wait, wait: wait)
    try refuseForeignFile()
    if case .writable(let mayMigrate) = mode { try prepare(mayMigrate) }
  }

  /// `close_v2` waits for statements that are still alive.
  deinit { sqlite3_close_v2(handle) }

  /// The path still leads to the file that is open. SQLite itself would go on writing into a deleted one.
  var isInPlace: Bool {
    guard let path else { return true }
    return identity != nil && SQLiteFile.Identity(path) == identity
  }

  /// What may hold several statements and takes no values.
  func execute(_ sql: String) throws(StoreError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code) }
  }

  /// Writing takes the write lock at once (`IMMEDIATE`), so that what `body` reads stays true until it has written.
  ///
  /// - Parameter wait: how long another process's lock is waited for.
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
      // Some errors have rolled back already, and then this one is an error itself.
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

  /// Ends statements that run past the deadline, and waits for locks no longer than `wait`.
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
    // In this order: whoever makes the tables sets the id in the same transaction.
    let tables = try integer("SELECT count(*) FROM sqlite_schema")
    let id = try integer("PRAGMA application_id")
    if id == Self.applicationID { return }
    guard id == 0, tables == 0 else {
      throw StoreError(
        .foreign,
        "\(name) is a SQLite database of another program; "
          + "give 'store.path' a file of the gateway's own.")
    }
  }

  private func prepare(_ mayMigrate: Bool) throws(StoreError) {
    if let path {
      guard sqlite3_db_readonly(handle, "main") == 0 else { throw SQLiteFile.readOnly(path) }
      try SQLiteFile.closeToOthers(path)
      try writeAhead()
    }
    try execute(
      """
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA secure_delete = ON;
      """)
    // Whoever finds everything as it should be takes no lock.
    let isMarked = try integer("PRAGMA application_id") == Self.applicationID
    if isMarked, try Migrations.pending(self, file: name).isEmpty { return }
    try execute("BEGIN IMMEDIATE")
    do throws(StoreError) {
      // Again, now that nobody else can write: two processes may have met at an empty file.
      try refuseForeignFile()
      try Migrations.run(self, file: name, mayMigrate: mayMigrate)
      try execute("PRAGMA application_id = \(Self.applicationID); COMMIT")
    } catch {
      sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      throw error
    }
  }

  /// Several that do this to a new file at once hold what the others wait for; SQLite tells one of them so at once,
  /// whatever the busy timeout is. So it is tried again here, until the same time is over.
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
      throw StoreError(.unavailable, "There is no database '\(path)'; the gateway makes it when it first runs.")
    }
    throw StoreError(
      .outdated, "There is no database '\(path)' and 'store: {migrate: false}' forbids to make it; remove that once.")
  }

  /// As sentences have it.
  var name: String { Self.name(path) }

  private static func name(_ path: String?) -> String { path.map { "'\($0)'" } ?? "the memory store" }

  // MARK: Errors

  /// SQLite's verdict as a sentence. Its own message is left out: it may quote SQL, and for the operator says less.
  func error(_ code: Int32) -> StoreError {
    switch code & 0xff {
    case SQLITE_NOTADB:
      isBroken = true
      return StoreError(.corrupt, "\(name) is not a SQLite database; move it away or give 'store.path' another file.")
    case SQLITE_CORRUPT:
      isBroken = true
      return StoreError(
        .corrupt,
        "The database \(name) is damaged; move it away (with -wal and -shm) and the gateway makes a new one.")
    case SQLITE_READONLY: return SQLiteFile.readOnly(path ?? ":memory:")
    case SQLITE_FULL:
      return StoreError(.full, "The database \(name) can't grow: the disk is full; free some space.")
    case SQLITE_BUSY, SQLITE_LOCKED:
      return StoreError(
        .unavailable, "Another process holds the database \(name) locked; find it with 'fuser' if this stays.")
    case SQLITE_INTERRUPT:
      return StoreError(.unavailable, "The database \(name) took too long for an answer.")
    case SQLITE_CONSTRAINT where Self.conflicts.contains(code):
      return StoreError(.conflict, "The database \(name) has a row with this value already.")
    default:
      isBroken = true
      return StoreError(
        .unavailable,
        "The database \(name) failed (SQLite \(code): \(String(cString: sqlite3_errstr(code)))); "
          + "look at the disk and at the rights of the file and its folder.")
    }
  }

  /// Extended codes (https://sqlite.org/rescode.html), whose macros Swift can't import.
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
    // Statements are few and always the same; more of them come only from lists of values of many lengths.
    if statements.count >= Self.statementLimit { statements.removeAll(keepingCapacity: true) }
    statements[sql] = statement
    return statement
  }
}
