import AdapterAPI
import Synchronization

/// This process's knowledge of the schema: checked on the first working connection, and again after a table was found
/// missing.
final class PostgresSchema: Sendable {
  let name: String
  private let mayMigrate: Bool
  private let isReady = Atomic<Bool>(false)

  /// The key of the advisory lock that admits one migrating process at a time: "PtGt", then the lock's number.
  static let lock: Int64 = 0x5074_4774_0000_0001
  /// The time limit of migrating, waiting for another migrating process included. Longer than any caller waits.
  static let migrationTimeout = Duration.seconds(30)

  init(name: String, mayMigrate: Bool) {
    self.name = name
    self.mayMigrate = mayMigrate
  }

  func prepare(_ connection: PostgresConnection) throws(StoreError) {
    if isReady.load(ordering: .acquiring) { return }
    let failure = connection.transaction(.writing, schema: name, until: .current + Self.migrationTimeout) {
      (session) throws(StoreError) in
      _ = try session.query("SELECT pg_advisory_xact_lock(\(Self.lock))")
      try Migrations.run(session, schema: self.name, mayMigrate: self.mayMigrate)
    }
    if let failure { throw failure.error }
    isReady.store(true, ordering: .releasing)
  }

  /// Makes the next connection check the schema, after a table was dropped or an old backup was restored.
  func invalidate() { isReady.store(false, ordering: .releasing) }

  func pending(_ session: any SQLSession) throws(StoreError) -> [String] {
    try Migrations.pending(session, schema: name)
  }
}
