/// The sync of the catalogue with what an adapter lists.
extension Store {
  /// Gives `merge` every object that the sync is about, by code, and writes what it answers, in one transaction in which
  /// nobody else changes objects.
  ///
  /// - Parameters:
  ///   - adapter: all objects that one of its syncs listed before are given to `merge` …
  ///   - codes: … and those with one of these codes, whoever wrote them.
  ///   - writes: false for a dry run, which only reads.
  ///   - merge: may run more than once; what it reports is handed through.
  func sync<Summary: Sendable>(
    _ adapter: String, codes: [String], writes: Bool,
    _ merge: @escaping @Sendable ([ObjectCode: SyncedObject]) -> (changes: SyncChanges, summary: Summary)
  ) async throws(StoreError) -> Summary {
    try await database.transaction(.catalogue, writes ? .writing : .reading, limit: Self.longWork) {
      (session) throws(StoreError) -> Summary in
      if writes { try session.keepOthersFromWriting("objects") }
      let (changes, summary) = merge(try Self.objects(of: adapter, codes, in: session))
      if writes {
        // Rows are written anew: many at once is the fast way, and only inserting has one.
        try ObjectRow.inBatches(changes.updated.map(\.object.id)) { (list, ids) throws(StoreError) in
          try session.run("DELETE FROM objects WHERE id IN (\(list))", ids)
        }
        try ObjectRow.insert(changes.updated + changes.created, in: session)
      }
      return summary
    }
  }

  private static func objects(
    of adapter: String, _ codes: [String], in session: any SQLSession
  ) throws(StoreError) -> [ObjectCode: SyncedObject] {
    var found: [ObjectCode: SyncedObject] = [:]
    let select = "SELECT \(ObjectRow.syncedColumns) FROM objects WHERE"
    for row in try session.query("\(select) source = $1", [.text(adapter)]) {
      let object = ObjectRow.synced(row)
      found[ObjectCode(object.object.code)] = object
    }
    try ObjectRow.inBatches(codes.filter { found[ObjectCode($0)] == nil }) { (list, values) throws(StoreError) in
      for row in try session.query("\(select) code IN (\(list))", values) {
        let object = ObjectRow.synced(row)
        found[ObjectCode(object.object.code)] = object
      }
    }
    return found
  }
}

extension SQLSession {
  /// Nobody else writes to the table before the transaction ends, reading goes on. Call it before anything else: who
  /// has read rows for writing already may wait for a transaction that waits for these rows.
  ///
  /// SQLite's writing transactions keep everybody else out anyway.
  func keepOthersFromWriting(_ table: String) throws(StoreError) {
    if dialect == .postgres { try run("LOCK TABLE \(table) IN EXCLUSIVE MODE") }
  }
}
