import CSQLite

/// One prepared statement of a `SQLiteDatabase`; parameters and columns count from 1 and 0, as SQLite has it.
final class SQLiteStatement {
  enum Value {
    case text(String)
    case integer(Int64)
    case null
  }

  private let handle: OpaquePointer
  private let database: SQLiteDatabase

  init(_ sql: String, in database: SQLiteDatabase) throws(StoreError) {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw database.error(code) }
    handle = statement
    self.database = database
  }

  deinit { sqlite3_finalize(handle) }

  /// Runs it; `row` sees every row. Whatever happens, afterwards the statement is ready for the next run and holds no
  /// values.
  func run(_ values: [Value] = [], row: (SQLiteStatement) -> Void = { _ in }) throws(StoreError) {
    defer {
      sqlite3_reset(handle)
      sqlite3_clear_bindings(handle)
    }
    for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1)) }
    while true {
      switch sqlite3_step(handle) {
      case SQLITE_ROW: row(self)
      case SQLITE_DONE: return
      case let code: throw database.error(code)
      }
    }
  }

  private func bind(_ value: Value, at index: Int32) throws(StoreError) {
    let code: Int32
    switch value {
    case .integer(let number): code = sqlite3_bind_int64(handle, index, number)
    case .null: code = sqlite3_bind_null(handle, index)
    case .text(var text):
      code = text.withUTF8 { bytes in
        // A nil pointer would bind NULL; an empty string may have one.
        guard let start = bytes.baseAddress else { return pg_sqlite3_bind_text_copy(handle, index, "", 0) }
        return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
          pg_sqlite3_bind_text_copy(handle, index, $0, Int32(clamping: bytes.count))
        }
      }
    }
    guard code == SQLITE_OK else { throw database.error(code) }
  }

  func text(_ column: Int32) -> String {
    guard let start = sqlite3_column_text(handle, column) else { return "" }
    let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    return String(decoding: bytes, as: UTF8.self)
  }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
}
