import CLibPQ

extension PostgresConnection: SQLSession {
  var dialect: SQLDialect { .postgres }

  func query(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [SQLRow] {
    try statement(sql, values)?.rows ?? []
  }

  func run(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Int {
    try statement(sql, values)?.changes ?? 0
  }

  /// Uses COPY.
  func insert(into table: String, _ columns: [String], _ rows: [[SQLValue]]) throws(StoreError) {
    if rows.isEmpty { return }
    try checkTime()
    let list = columns.map(Migrations.quoted).joined(separator: ", ")
    let sql = "COPY \(Migrations.quoted(table)) (\(list)) FROM STDIN"
    guard try exchange({ libpq.sendQuery($0, sql) })?.status == PGRES_COPY_IN else { throw lost() }
    var lines = PostgresCopyLines()
    for row in rows {
      guard lines.append(row) else {
        // The server ends the transaction with an error.
        guard libpq.putCopyEnd(handle, "a value can't be stored") == 1 else { throw lost() }
        _ = try? results()
        throw .postgresNUL
      }
      if lines.bytes.count >= 1 << 16 { try put(&lines) }
    }
    try put(&lines)
    // 0 would mean that the send buffer is full; `put` has emptied it.
    guard libpq.putCopyEnd(handle, nil) == 1 else { throw lost() }
    let result = try results()
    guard result?.status != PGRES_COPY_IN else { throw lost() }
  }

  private func put(_ lines: inout PostgresCopyLines) throws(StoreError) {
    let sent = lines.bytes.withUnsafeBytes { bytes in
      libpq.putCopyData(handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
    }
    guard lines.bytes.isEmpty || sent == 1 else { throw lost() }
    lines.bytes.removeAll(keepingCapacity: true)
    try flush()
  }

  /// Runs the unnamed statement with text parameters, whose types the server infers.
  private func statement(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> LibPQResult? {
    try checkTime()
    // The protocol counts parameters in 16 bits.
    guard values.count <= Int(UInt16.max) else {
      throw StoreError(.unavailable, "A statement has more parameters than PostgreSQL accepts (65535).")
    }
    guard !sql.holdsNUL, let parameters = PostgresParameters(values) else { throw .postgresNUL }
    let result = try exchange { connection in
      parameters.withPointers { libpq.sendQueryParams(connection, sql, Int32(values.count), nil, $0, nil, nil, 0) }
    }
    guard result?.status != PGRES_COPY_IN else { throw lost() }
    return result
  }

  /// Checks the deadline between statements. Within a statement the server does.
  private func checkTime() throws(StoreError) {
    guard !isLost else { throw .postgresLost }
    guard .current < deadline else { throw .postgresSilent }
  }
}
