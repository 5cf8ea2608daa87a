/// The embedded engine: one SQLite file, or memory that forgets.
///
/// Every lane has a connection and a thread of its own; the file's write lock is the only thing that they share.
final class SQLiteDatabase: Database {
  /// How long the tokens' lane waits for another process's lock: requests may wait for it.
  static let patience = Duration.seconds(2)

  private let path: String?
  private let tokens: SQLiteQueue
  private let catalogue: SQLiteQueue
  /// Reads of the catalogue wait for no import: with a write-ahead log the file can be read meanwhile. Memory has one
  /// connection only.
  private let reading: SQLiteQueue

  /// - Parameters:
  ///   - mode: `readOnly` never makes or changes anything.
  ///   - patience: how long the tokens' lane waits for another process's lock.
  convenience init(
    path: String, _ mode: SQLiteConnection.Mode = .writable(mayMigrate: true), patience: Duration = patience
  ) {
    self.init(file: path, mode, patience: patience)
  }

  /// For demos and tests: everything is gone with the object. The lanes share no table, so each has its own memory.
  static func inMemory() -> SQLiteDatabase {
    SQLiteDatabase(file: nil, .writable(mayMigrate: true), patience: patience)
  }

  private init(file: String?, _ mode: SQLiteConnection.Mode, patience: Duration) {
    path = file
    tokens = SQLiteQueue(path: file, mode, patience: patience)
    // Its work has limits of its own.
    catalogue = SQLiteQueue(path: file, mode, patience: .seconds(60))
    reading = file == nil ? catalogue : SQLiteQueue(path: file, mode, patience: .seconds(60))
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

  func pendingMigrations() async throws(StoreError) -> [String] { try await tokens.pendingMigrations() }

  func close() async {
    await tokens.close()
    await catalogue.close()
    await reading.close()
  }
}
