import CSQLite
import Glibc

/// One connection to a SQLite file of ours. Not `Sendable`: it belongs to the actor that opened it.
///
/// Opening makes the folder (0700) and the file (0600) before anything secret can stand in it, refuses what is not
/// ours, and sets durability: write-ahead log with `synchronous = FULL`, so that a commit that returned survives a
/// power cut.
final class SQLiteDatabase {
  /// "PtGt", in the file's header: how we tell our files from other programs'
  /// (https://sqlite.org/pragma.html#pragma_application_id).
  static let applicationID: Int64 = 0x5074_4774
  /// How many milliseconds a statement waits for another process's lock.
  static let busyTimeout: Int32 = 2000

  let path: String
  let handle: OpaquePointer
  /// Which file was opened, to notice that somebody put another one in its place.
  private let identity: FileIdentity?

  init(path: String, isWritable: Bool = true, busyTimeout: Int32 = busyTimeout) throws(StoreError) {
    self.path = path
    if isWritable { try Self.makeFile(path) }
    var opened: OpaquePointer?
    let mode = isWritable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY
    let code = sqlite3_open_v2(path, &opened, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard let opened else { throw StoreError(.unavailable, "There is no memory for opening the database '\(path)'.") }
    handle = opened
    identity = FileIdentity(path)
    guard code == SQLITE_OK else { throw error(code) }
    sqlite3_busy_timeout(handle, busyTimeout)
    try refuseForeignFile()
    guard sqlite3_db_readonly(handle, "main") == 0 else { throw Self.readOnly(path) }
    try Self.closeToOthers(path)
    try execute(
      """
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA secure_delete = ON;
      """)
    try transaction { () throws(StoreError) in
      // Again, now that nobody else can write: two processes may have met at an empty file.
      try refuseForeignFile()
      try execute("PRAGMA application_id = \(Self.applicationID)")
      try migrate()
    }
  }

  /// `close_v2` waits for statements that are still alive.
  deinit { sqlite3_close_v2(handle) }

  /// The path still leads to the file that is open. SQLite itself would go on writing into a deleted one.
  var isInPlace: Bool { identity != nil && FileIdentity(path) == identity }

  func execute(_ sql: String) throws(StoreError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code) }
  }

  /// Takes the write lock at once (`IMMEDIATE`), so that what `body` reads stays true until it has written.
  func transaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
    try execute("BEGIN IMMEDIATE")
    do throws(StoreError) {
      let value = try body()
      try execute("COMMIT")
      return value
    } catch {
      // Some errors have rolled back already, and then this one is an error itself.
      sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      throw error
    }
  }

  func integer(_ sql: String) throws(StoreError) -> Int64 {
    var value: Int64 = 0
    try SQLiteStatement(sql, in: self).run { value = $0.integer(0) }
    return value
  }

  private func refuseForeignFile() throws(StoreError) {
    // In this order: whoever makes the tables sets the id in the same transaction.
    let tables = try integer("SELECT count(*) FROM sqlite_schema")
    let id = try integer("PRAGMA application_id")
    if id == Self.applicationID { return }
    guard id == 0, tables == 0 else {
      throw StoreError(
        .foreign,
        "'\(path)' is a SQLite database of another program; give 'store.path' a file of the gateway's own.")
    }
  }

  // MARK: The file

  private static func makeFile(_ path: String) throws(StoreError) {
    try makeFolder(of: path)
    // Only a file that is new is opened here: closing one drops all of this process's locks on it (fcntl(2)).
    let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    if file >= 0 {
      close(file)
      return
    }
    guard errno == EEXIST else { throw fileError(path, errno, "could not be made") }
  }

  /// Takes other users' rights away, in case the file was made by hand; not before it is known to be ours.
  private static func closeToOthers(_ path: String) throws(StoreError) {
    // The log's files hold the same secrets; SQLite gives new ones the mode of the main file.
    for name in [path, path + "-wal", path + "-shm"] {
      var info = stat()
      guard stat(name, &info) == 0, info.st_mode & 0o077 != 0, info.st_mode & S_IFMT == S_IFREG else { continue }
      guard chmod(name, info.st_mode & 0o700) == 0 else {
        throw StoreError(
          .unavailable,
          "'\(name)' can be read by others and its mode can't be changed (\(message(errno))); "
            + "make it the gateway's own file.")
      }
    }
  }

  private static func makeFolder(of path: String) throws(StoreError) {
    var end = path.startIndex
    while let slash = path[end...].dropFirst().firstIndex(of: "/") {
      end = slash
      let folder = String(path[..<slash])
      var info = stat()
      if stat(folder, &info) == 0 { continue }
      // EEXIST: another process was faster.
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw fileError(folder, errno, "could not be made") }
    }
  }

  private static func fileError(_ path: String, _ number: Int32, _ what: String) -> StoreError {
    switch number {
    case EROFS: readOnly(path)
    case ENOSPC, EDQUOT: StoreError(.full, "'\(path)' \(what): the disk is full; free some space.")
    default:
      StoreError(
        .unavailable,
        "'\(path)' \(what) (\(message(number))); give 'store.path' a place that the gateway may write to.")
    }
  }

  private static func message(_ number: Int32) -> String { String(cString: strerror(number)) }

  private static func readOnly(_ path: String) -> StoreError {
    StoreError(.readOnly, "'\(path)' can't be written; give the gateway the right to, or 'store.path' another place.")
  }

  // MARK: Errors

  /// SQLite's verdict as a sentence. Its own message is left out: it may quote SQL, and for the operator says less.
  func error(_ code: Int32) -> StoreError {
    switch code & 0xff {
    case SQLITE_NOTADB:
      StoreError(.corrupt, "'\(path)' is not a SQLite database; move it away or give 'store.path' another file.")
    case SQLITE_CORRUPT:
      StoreError(
        .corrupt,
        "The database '\(path)' is damaged; move it away (with -wal and -shm) and the gateway makes a new one.")
    case SQLITE_READONLY: Self.readOnly(path)
    case SQLITE_FULL: StoreError(.full, "The database '\(path)' can't grow: the disk is full; free some space.")
    case SQLITE_BUSY, SQLITE_LOCKED:
      StoreError(
        .unavailable, "Another process holds the database '\(path)' locked; find it with 'fuser' if this stays.")
    default:
      StoreError(
        .unavailable,
        "The database '\(path)' failed (SQLite \(code): \(String(cString: sqlite3_errstr(code)))); "
          + "look at the disk and at the rights of the file and its folder.")
    }
  }
}

/// Device and inode.
private struct FileIdentity: Equatable {
  let device: dev_t
  let inode: ino_t

  init?(_ path: String) {
    var info = stat()
    guard stat(path, &info) == 0 else { return nil }
    device = info.st_dev
    inode = info.st_ino
  }
}
