import CSQLite

/// A prepared statement of a `SQLiteConnection`.
final class SQLiteStatement {
  private let handle: OpaquePointer
  /// Owns this statement, and so outlives it.
  private unowned let connection: SQLiteConnection
  /// The index of the value for each of SQLite's parameters, which SQLite numbers by appearance: `$2` may come before
  /// `$1`.
  private let order: [Int]
  private let valueCount: Int

  init(_ sql: String, in connection: SQLiteConnection) throws(StoreError) {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw connection.error(code) }
    handle = statement
    self.connection = connection
    order = (0..<sqlite3_bind_parameter_count(statement)).map { index in
      guard let name = sqlite3_bind_parameter_name(statement, index + 1) else { return -1 }
      return (Int(String(cString: name).dropFirst()) ?? 0) - 1
    }
    valueCount = (order.max() ?? -1) + 1
  }

  deinit { sqlite3_finalize(handle) }

  /// Runs the statement and passes every row to `row`. Afterwards, also after an error, the statement is ready for the
  /// next run and holds no values.
  func run(_ values: [SQLValue], row: (SQLRow) -> Void = { _ in }) throws(StoreError) {
    defer {
      sqlite3_reset(handle)
      sqlite3_clear_bindings(handle)
    }
    guard values.count == valueCount else { throw connection.error(SQLITE_RANGE) }
    for (index, number) in order.enumerated() {
      guard values.indices.contains(number) else { throw connection.error(SQLITE_RANGE) }
      try bind(values[number], at: Int32(index + 1))
    }
    while true {
      switch sqlite3_step(handle) {
      case SQLITE_ROW: row(SQLRow(values: (0..<sqlite3_column_count(handle)).map(value)))
      case SQLITE_DONE: return
      case let code: throw connection.error(code)
      }
    }
  }

  private func bind(_ value: SQLValue, at index: Int32) throws(StoreError) {
    let code: Int32
    switch value {
    case .integer(let number): code = sqlite3_bind_int64(handle, index, number)
    case .null: code = sqlite3_bind_null(handle, index)
    case .text(var text):
      code = text.withUTF8 { bytes in
        // A nil pointer would bind NULL, and an empty string may have one.
        guard let start = bytes.baseAddress else { return pg_sqlite3_bind_text_copy(handle, index, "", 0) }
        return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
          pg_sqlite3_bind_text_copy(handle, index, $0, Int32(clamping: bytes.count))
        }
      }
    }
    guard code == SQLITE_OK else { throw connection.error(code) }
  }

  private func value(_ column: Int32) -> SQLValue {
    switch sqlite3_column_type(handle, column) {
    case SQLITE_NULL: return .null
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(handle, column))
    default:
      guard let start = sqlite3_column_text(handle, column) else { return .text("") }
      let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
      return .text(String(decoding: bytes, as: UTF8.self))
    }
  }
}
