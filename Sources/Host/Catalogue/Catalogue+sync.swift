import AdapterAPI

/// `POST /api/objects/sync`. The request pipeline gets the adapter's list before it calls `sync`.
extension Catalogue {
  /// Merges the adapter's list into the catalogue in one transaction. A dry run only reports the changes.
  ///
  /// - Parameter isWhole: the list has everything that the upstream has.
  func sync(
    adapter: String, listed: [ListedObject], isWhole: Bool = true, dryRun: Bool
  ) async throws(GatewayError) -> ResourceResponse {
    try await withPermit(within: Store.longWork) { () async throws(GatewayError) in
      try await self.merged(adapter, listed, isWhole: isWhole, dryRun: dryRun)
    }
  }

  private func merged(
    _ adapter: String, _ listed: [ListedObject], isWhole: Bool, dryRun: Bool
  ) async throws(GatewayError) -> ResourceResponse {
    let merge = try SyncMerge(adapter: adapter, listed: listed, isWhole: isWhole)
    let report: SyncReport
    do throws(StoreError) {
      report = try await store.sync(adapter, codes: merge.codes, writes: !dryRun) { merge($0) }
    } catch {
      guard error.code == .conflict else { throw await refusal(error, merge.texts) }
      throw .conflict("Another writer changed the same objects at the same time. Nothing was changed; try again.")
    }
    guard report.problems.isEmpty else { throw .invalidFields(report.problems) }
    return ResourceResponse(200) { report.write(to: &$0, isDryRun: dryRun) }
  }
}

/// The query parameters of a sync.
struct SyncQuery: Sendable {
  let adapter: String
  let isDryRun: Bool

  /// - Parameter adapter: the adapter of a request that names none.
  init(_ query: String, adapter: String) throws(GatewayError) {
    let query = try ResourceQuery(query, ["adapter", "dryRun"])
    self.adapter = query["adapter"] ?? adapter
    isDryRun = try query.flag("dryRun")
  }
}
