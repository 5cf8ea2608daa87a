import Synchronization

/// One connection to a SQLite database with its own serial queue and thread.
///
/// Opens the file on first use, and again after an error that broke the connection or when the file was replaced. So a
/// disk that returns, or a damaged file that was moved away, needs no restart.
actor SQLiteQueue {
  private nonisolated let path: String?
  private nonisolated let mode: SQLiteConnection.Mode
  /// The longest wait for another process's lock.
  private nonisolated let lockTimeout: Duration
  private nonisolated let worker = WorkerThread()
  /// A transaction has begun, so this connection has the lock that it needs.
  private nonisolated let isAtWork = Atomic<Bool>(false)
  private var connection: SQLiteConnection?
  /// The connection is read-only, because writing was not possible when it was opened.
  private var isFallback = false
  private var isClosed = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  init(path: String?, _ mode: SQLiteConnection.Mode, lockTimeout: Duration) {
    self.path = path
    self.mode = mode
    self.lockTimeout = lockTimeout
  }

  func open() throws(StoreError) { _ = try connected(for: .writing, wait: lockTimeout) }

  func transaction<Value: Sendable>(
    _ access: StoreAccess, until deadline: ContinuousClock.Instant,
    _ body: @Sendable (any SQLSession) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    if deadline <= .now {
      throw StoreError(.unavailable, "The store is busy; the work was not started in time.")
    }
    let connection = try connected(for: access, wait: min(lockTimeout, deadline - .now))
    // A memory database stays: no other process can damage it, and its data would end with its connection.
    defer { if connection.isBroken, path != nil { self.connection = nil } }
    return try connection.transaction(access, until: deadline, wait: lockTimeout) { (session) throws(StoreError) in
      isAtWork.store(true, ordering: .relaxed)
      defer { isAtWork.store(false, ordering: .relaxed) }
      return try body(session)
    }
  }

  /// Checks that the file can be written: takes the write lock and releases it. Reading needs less. Returns at once while a
  /// transaction of this process has the lock.
  ///
  /// - Parameter limit: the longest wait for another process's lock.
  nonisolated func check(limit: Duration) async throws(StoreError) {
    // On a file system that became read-only the lock would still be granted.
    if let path, mode == .readOnly || SQLiteFile.isReadOnly(path) { throw SQLiteFile.readOnly(path) }
    if !isAtWork.load(ordering: .relaxed) { try await lock(limit: limit) }
  }

  private func lock(limit: Duration) throws(StoreError) {
    try transaction(.writing, until: .now + limit) { (_) throws(StoreError) in }
  }

  func pendingMigrations() throws(StoreError) -> [String] {
    guard let path else { return [] }
    if isClosed { throw .closed }
    if !SQLiteFile.exists(path) { return ["'\(path)': creates the file"] }
    let connection = try SQLiteConnection(path: path, .readOnly, wait: lockTimeout)
    return try connection.transaction(.reading, until: .now + .seconds(5), wait: lockTimeout) {
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
      // A file that can't be written can still be read.
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
