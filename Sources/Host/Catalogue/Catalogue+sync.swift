import AdapterAPI

/// `POST /api/objects/sync`.
extension Catalogue {
  func sync(adapter: String, listed: [ListedObject], dryRun: Bool) async throws(GatewayError) -> ResourceAnswer {
    throw .unsupportedOperation("sync")
  }
}

/// What a sync was asked for.
struct SyncQuery {
  var adapter: String
  var isDryRun = false

  /// - Parameter adapter: the one that is meant where none is named.
  init(_ query: String, adapter: String) throws(GatewayError) {
    self.adapter = adapter
  }
}
