import AdapterAPI

/// The gateway's persistent data: upstream tokens, the catalogue of objects, dashboard widgets.
///
/// The operations are written once for every engine: `Store+tokens`, `Store+objects`, `Store+sync`, `Store+widgets`.
/// May be called on any thread; the work runs on the engine's own threads.
final class Store: Sendable {
  let database: any Database
  var sharing: StoreSharing { database.sharing }

  /// The time limit of short work, waiting for a connection included.
  static let shortWork = Duration.seconds(5)

  init(_ database: any Database) { self.database = database }

  func open() async throws(StoreError) { try await database.open() }

  /// Checks that the database does the work of a queue.
  func check(_ queue: StoreQueue) async throws(StoreError) { try await database.check(queue, limit: .seconds(2)) }

  func close() async { await database.close() }
}
