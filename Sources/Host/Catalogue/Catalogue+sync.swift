import AdapterAPI

/// `POST /api/objects/sync`. The pipeline asks the adapter for its list in between.
extension Catalogue {
  /// What a sync's query asks for; `adapter` is nil where the route's own is meant.
  static func syncQuery(_ query: String) throws(GatewayError) -> (adapter: String?, dryRun: Bool) {
    let query = try ResourceQuery(query, ["adapter", "dryRun"])
    return (query["adapter"], try query.flag("dryRun"))
  }

  /// Brings the adapter's whole list and the catalogue together, in one transaction; a dry run only says what it would
  /// do.
  func sync(
    adapter: String, listed: [ListedObject], dryRun: Bool
  ) async throws(GatewayError) -> ResourceAnswer {
    let merge = try SyncMerge(adapter: adapter, listed: listed)
    let report: SyncReport
    do throws(StoreError) {
      report = try await store.sync(adapter, codes: merge.codes, writes: !dryRun) { merge($0) }
    } catch {
      guard error.code == .conflict else { throw GatewayError(error) }
      throw .conflict("Somebody else changed the same objects meanwhile; nothing was changed. Try again.")
    }
    guard report.problems.isEmpty else { throw .invalidFields(report.problems) }
    return ResourceAnswer(200, report.json(dryRun: dryRun))
  }
}
