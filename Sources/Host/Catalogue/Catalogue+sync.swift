import AdapterAPI

/// `POST /api/objects/sync`. The pipeline asks the adapter for its list in between.
extension Catalogue {
  /// Brings the adapter's whole list and the catalogue together, in one transaction; a dry run only says what it would
  /// do.
  func sync(
    adapter: String, listed: [ListedObject], dryRun: Bool
  ) async throws(GatewayError) -> ResourceResponse {
    try await inTurn(atMost: Store.longWork) { () async throws(GatewayError) in
      try await self.merged(adapter, listed, dryRun: dryRun)
    }
  }

  private func merged(
    _ adapter: String, _ listed: [ListedObject], dryRun: Bool
  ) async throws(GatewayError) -> ResourceResponse {
    let merge = try SyncMerge(adapter: adapter, listed: listed)
    let report: SyncReport
    do throws(StoreError) {
      report = try await store.sync(adapter, codes: merge.codes, writes: !dryRun) { merge($0) }
    } catch {
      guard error.code == .conflict else { throw GatewayError(error) }
      throw .conflict("Somebody else changed the same objects meanwhile; nothing was changed. Try again.")
    }
    guard report.problems.isEmpty else { throw .invalidFields(report.problems) }
    return ResourceResponse(200) { report.write(to: &$0, isDryRun: dryRun) }
  }
}

/// What a sync was asked for.
struct SyncQuery: Sendable {
  let adapter: String
  let isDryRun: Bool

  /// - Parameter adapter: the one that is meant where none is named.
  init(_ query: String, adapter: String) throws(GatewayError) {
    let query = try ResourceQuery(query, ["adapter", "dryRun"])
    self.adapter = query["adapter"] ?? adapter
    isDryRun = try query.flag("dryRun")
  }
}
