import CSQLite

extension SQLiteDatabase {
  /// The version of the SQLite library.
  static var libraryVersion: String { String(cString: sqlite3_libversion()) }
}
