import AdapterAPI

/// The embedded store: one SQLite file, on a thread of its own.
///
/// It opens the file when it is first needed, and again after an error that the connection did not survive, or when
/// somebody put another file in its place; so a disk that comes back, or a damaged file that was moved away, needs no
/// restart.
actor SQLiteStore: TokenStore {
  private struct Connection {
    let database: SQLiteDatabase
    let select: SQLiteStatement
    let upsert: SQLiteStatement
  }

  nonisolated let path: String
  private nonisolated let busyTimeout: Int32
  private nonisolated let worker = WorkerThread()
  private var connection: Connection?
  private var isClosed = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  /// - Parameter busyTimeout: how many milliseconds a statement waits for another process's lock.
  init(path: String, busyTimeout: Int32 = SQLiteDatabase.busyTimeout) {
    self.path = path
    self.busyTimeout = busyTimeout
  }

  func open() async throws(StoreError) { _ = try connected() }

  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair? {
    try attempt { (connection) throws(StoreError) in
      guard let row = try Self.row(of: key.adapter, connection), row.upstream == key.upstream else { return nil }
      return row.pair
    }
  }

  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome {
    try attempt { (connection) throws(StoreError) in
      try connection.database.transaction { () throws(StoreError) -> SaveOutcome in
        let row = try Self.row(of: key.adapter, connection)
        if let row, row.upstream == key.upstream, let pair = row.pair, !pair.isUnchanged(since: old) { return .lost(pair) }
        let last = max(row?.version ?? 0, old?.version ?? 0)
        let pair = StoredPair(token: token, version: last == .max ? 1 : last + 1)
        try connection.upsert.run([
          .text(token.access), .text(token.refresh), .integer(token.expiresAt), .text(key.adapter), .text(key.upstream),
          .integer(pair.version), .integer(token.lifetime), .integer(SQLiteDatabase.wallMilliseconds()),
        ])
        return .saved(pair)
      }
    }
  }

  nonisolated var sharing: StoreSharing { .machine }

  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome { .granted }

  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool { true }

  func release(_ key: TokenKey, holder: String) async throws(StoreError) {}

  func close() async {
    isClosed = true
    connection = nil
  }

  private func attempt<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
    let connection = try connected()
    do throws(StoreError) {
      return try body(connection)
    } catch {
      self.connection = nil
      throw error
    }
  }

  private func connected() throws(StoreError) -> Connection {
    if isClosed { throw .closed }
    if let connection, connection.database.isInPlace { return connection }
    connection = nil
    let database = try SQLiteDatabase(path: path, busyTimeout: busyTimeout)
    let opened = Connection(
      database: database,
      select: try SQLiteStatement(
        """
        SELECT access_token, refresh_token, expires_at, upstream, version, lifetime_ms, updated_at
        FROM iot_tokens WHERE adapter = ?
        """, in: database),
      upsert: try SQLiteStatement(
        """
        INSERT INTO iot_tokens
          (access_token, refresh_token, expires_at, adapter, upstream, version, lifetime_ms, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (adapter) DO UPDATE SET
          access_token = excluded.access_token, refresh_token = excluded.refresh_token,
          expires_at = excluded.expires_at, upstream = excluded.upstream, version = excluded.version,
          lifetime_ms = excluded.lifetime_ms, updated_at = excluded.updated_at
        """, in: database))
    connection = opened
    return opened
  }

  private struct Row {
    let upstream: String
    let version: Int64
    /// Nil when the row holds no token that could be used; then it may be overwritten.
    let pair: StoredPair?
  }

  private static func row(of adapter: String, _ connection: Connection) throws(StoreError) -> Row? {
    var found: Row?
    try connection.select.run([.text(adapter)]) { row in
      let expiresAt = row.integer(2)
      let version = row.integer(4)
      // A row from before `lifetime_ms`, or written by hand: what was left when it was written.
      let (rest, overflow) = expiresAt.subtractingReportingOverflow(row.integer(6))
      let lifetime = row.isNull(5) ? (overflow || row.isNull(6) ? 0 : rest) : row.integer(5)
      let token = try? Token(access: row.text(0), refresh: row.text(1), expiresAt: expiresAt, lifetime: lifetime)
      found = Row(upstream: row.text(3), version: version, pair: token.map { StoredPair(token: $0, version: version) })
    }
    return found
  }
}
