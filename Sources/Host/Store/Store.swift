import AdapterAPI

/// What the host keeps: the upstreams' tokens, the catalogue of objects, the dashboard's widgets.
///
/// The tables' meaning, written once for every engine: `Store+tokens`, `Store+objects`, `Store+widgets`. Threading: any
/// thread; the work is done on the engine's own.
final class Store: Sendable {
  let database: any Database
  var sharing: StoreSharing { database.sharing }

  /// How long short work may take, waiting for a connection included.
  static let shortWork = Duration.seconds(5)

  init(_ database: any Database) { self.database = database }

  func open() async throws(StoreError) { try await database.open() }

  /// Whether the database answers: one round trip.
  func ping() async throws(StoreError) {
    try await database.transaction(.tokens, .reading, limit: .seconds(2)) { (session) throws(StoreError) in
      _ = try session.query("SELECT 1")
    }
  }

  func close() async { await database.close() }
}
