/// The embedded engine: one SQLite file, or memory.
///
/// Every queue has its own connection and thread. They share only the file's write lock.
final class SQLiteDatabase: Database {
  /// The longest wait of the tokens queue for another process's lock: requests may wait for it.
  static let lockTimeout = Duration.seconds(2)

  private let path: String?
  private let tokens: SQLiteQueue
  private let catalogue: SQLiteQueue
  /// Reads of the catalogue do not wait for imports: with a write-ahead log, reading and writing run at the same time.
  /// A memory database has only one connection.
  private let reading: SQLiteQueue

  /// - Parameters:
  ///   - mode: `readOnly` never creates or changes anything.
  ///   - lockTimeout: the longest wait of the tokens queue for another process's lock.
  convenience init(
    path: String, _ mode: SQLiteConnection.Mode = .writable(mayMigrate: true), lockTimeout: Duration = lockTimeout
  ) {
    self.init(file: path, mode, lockTimeout: lockTimeout)
  }

  /// Creates a database for demos and tests, whose data end with the object. The queues share no table, so each has its
  /// own memory.
  static func inMemory() -> SQLiteDatabase {
    SQLiteDatabase(file: nil, .writable(mayMigrate: true), lockTimeout: lockTimeout)
  }

  private init(file: String?, _ mode: SQLiteConnection.Mode, lockTimeout: Duration) {
    path = file
    tokens = SQLiteQueue(path: file, mode, lockTimeout: lockTimeout)
    // The catalogue's calls have their own time limits.
    catalogue = SQLiteQueue(path: file, mode, lockTimeout: .seconds(60))
    reading = file == nil ? catalogue : SQLiteQueue(path: file, mode, lockTimeout: .seconds(60))
  }

  var sharing: StoreSharing { path == nil ? .process : .machine }

  func open() async throws(StoreError) { try await tokens.open() }

  func transaction<Value: Sendable>(
    _ queue: StoreQueue, _ access: StoreAccess, limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    let deadline = ContinuousClock.now + limit
    return switch queue {
    case .tokens: try await tokens.transaction(access, until: deadline, body)
    case .catalogue where access == .reading: try await reading.transaction(access, until: deadline, body)
    case .catalogue: try await catalogue.transaction(access, until: deadline, body)
    }
  }

  func check(_ queue: StoreQueue, limit: Duration) async throws(StoreError) {
    guard queue == .catalogue, path != nil else { return try await respond(queue, limit: limit) }
    try await catalogue.check(limit: limit)
  }

  func pendingMigrations() async throws(StoreError) -> [String] { try await tokens.pendingMigrations() }

  func checkRequirements() async throws(StoreError) { if let path { try SQLiteFile.checkWritable(path) } }

  var place: String { path ?? "memory" }

  func close() async {
    await tokens.close()
    await catalogue.close()
    await reading.close()
  }
}
