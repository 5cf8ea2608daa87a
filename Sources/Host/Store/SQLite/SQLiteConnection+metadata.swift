import AdapterAPI
import CSQLite

extension SQLiteConnection {
  /// Adds the function `metadata_contains(metadata, pattern)`, which does what `metadata @> pattern` does in PostgreSQL.
  ///
  /// SQLite's own functions compare numbers as doubles, and their paths can't name every key.
  func addMetadataFunction() throws(StoreError) {
    let code = sqlite3_create_function_v2(
      handle, "metadata_contains", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nil,
      { context, _, values in
        let metadata = SQLiteConnection.json(values?[0])
        let pattern = SQLiteConnection.json(values?[1])
        let contains = metadata.flatMap { metadata in pattern.map { metadata.contains($0) } } ?? false
        sqlite3_result_int(context, contains ? 1 : 0)
      }, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code) }
  }

  /// Returns nil for a value that is not JSON.
  private static func json(_ value: OpaquePointer?) -> JSONValue? {
    guard let text = sqlite3_value_text(value) else { return nil }
    return try? JSONValue(parsing: Array(UnsafeBufferPointer(start: text, count: Int(sqlite3_value_bytes(value)))))
  }
}
