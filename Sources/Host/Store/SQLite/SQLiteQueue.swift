/// One lane's connection to a SQLite database, on a thread of its own.
///
/// It opens the file when it is first needed, and again after an error that the connection did not survive, or when
/// somebody put another file in its place; so a disk that comes back, or a damaged file that was moved away, needs no
/// restart.
actor SQLiteQueue {
  private nonisolated let path: String?
  private nonisolated let mode: SQLiteConnection.Mode
  /// How long another process's lock is waited for.
  private nonisolated let patience: Duration
  private nonisolated let worker = WorkerThread()
  private var connection: SQLiteConnection?
  /// The connection may only read, because writing was not possible when it was opened.
  private var isFallback = false
  private var isClosed = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(path: String?, _ mode: SQLiteConnection.Mode, patience: Duration) {
    self.path = path
    self.mode = mode
    self.patience = patience
  }

  func open() throws(StoreError) { _ = try connected(for: .writing, wait: patience) }

  func transaction<Value: Sendable>(
    _ access: StoreAccess, until deadline: ContinuousClock.Instant,
    _ body: @Sendable (any SQLSession) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    if deadline <= .now {
      throw StoreError(.unavailable, "The store has so much to do that this work's turn did not come in time.")
    }
    let connection = try connected(for: access, wait: min(patience, deadline - .now))
    // Memory has nobody to be damaged by, and would be lost with its connection.
    defer { if connection.isBroken, path != nil { self.connection = nil } }
    return try connection.transaction(access, until: deadline, wait: patience, body)
  }

  func pendingMigrations() throws(StoreError) -> [String] {
    guard let path else { return [] }
    if isClosed { throw .closed }
    if !SQLiteFile.exists(path) { return ["'\(path)': makes the file"] }
    let connection = try SQLiteConnection(path: path, .readOnly, wait: patience)
    return try connection.transaction(.reading, until: .now + .seconds(5), wait: patience) {
      (session) throws(StoreError) in
      try Migrations.pending(session, file: connection.name)
    }
  }

  func close() {
    isClosed = true
    connection = nil
  }

  private func connected(for access: StoreAccess, wait: Duration) throws(StoreError) -> SQLiteConnection {
    if isClosed { throw .closed }
    if let connection, connection.isInPlace, access == .reading || !isFallback { return connection }
    connection = nil
    isFallback = false
    do throws(StoreError) {
      connection = try open(mode, wait: wait)
    } catch {
      // What can't be written can still be read.
      guard access == .reading, error.code == .readOnly, let fallback = try? open(.readOnly, wait: wait) else {
        throw error
      }
      isFallback = true
      connection = fallback
    }
    guard let connection else { throw .closed }
    return connection
  }

  private func open(_ mode: SQLiteConnection.Mode, wait: Duration) throws(StoreError) -> SQLiteConnection {
    let connection = try SQLiteConnection(path: path, mode, wait: wait)
    if mode == .readOnly { try Migrations.run(connection, file: connection.name, mayMigrate: false) }
    return connection
  }
}
