import AdapterAPI
import Synchronization

/// The schema's state as this process knows it: looked at with the first connection that works, and again when a table
/// turns out to be missing.
final class PostgresSchema: Sendable {
  let name: String
  private let mayMigrate: Bool
  private let isReady = Atomic<Bool>(false)

  /// For the advisory lock that lets one process at a time migrate: "PtGt", then the lock's number.
  static let lock: Int64 = 0x5074_4774_0000_0001
  /// How long migrating may take, waiting for another process that migrates included. Longer than any caller waits.
  static let patience = Duration.seconds(30)

  init(name: String, mayMigrate: Bool) {
    self.name = name
    self.mayMigrate = mayMigrate
  }

  func prepare(_ connection: PostgresConnection) throws(StoreError) {
    if isReady.load(ordering: .acquiring) { return }
    let failure = connection.transaction(.writing, schema: name, until: .current + Self.patience) {
      (session) throws(StoreError) in
      _ = try session.query("SELECT pg_advisory_xact_lock(\(Self.lock))")
      try Migrations.run(session, schema: self.name, mayMigrate: self.mayMigrate)
    }
    if let failure { throw failure.error }
    isReady.store(true, ordering: .releasing)
  }

  /// Somebody dropped the tables, or restored an old backup: what is missing is made before anything else is done.
  func distrust() { isReady.store(false, ordering: .releasing) }

  func pending(_ session: any SQLSession) throws(StoreError) -> [String] {
    try Migrations.pending(session, schema: name)
  }
}
