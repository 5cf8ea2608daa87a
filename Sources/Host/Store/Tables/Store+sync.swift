/// Synchronisation of the catalogue with an adapter's object list.
extension Store {
  /// Passes the affected objects to `merge`, by code, and writes its changes, in one transaction that excludes other
  /// writers of objects.
  ///
  /// - Parameters:
  ///   - adapter: selects all objects that an earlier sync of this adapter listed.
  ///   - codes: selects further objects by code, whatever their origin.
  ///   - writes: false for a dry run, which only reads.
  ///   - merge: may run more than once; its summary is returned.
  func sync<Summary: Sendable>(
    _ adapter: String, codes: [String], writes: Bool,
    _ merge: @escaping @Sendable ([ObjectCode: SyncedObject]) -> (changes: SyncChanges, summary: Summary)
  ) async throws(StoreError) -> Summary {
    try await database.transaction(.catalogue, writes ? .writing : .reading, limit: Self.longWork) {
      (session) throws(StoreError) -> Summary in
      if writes { try session.lockForWriting("objects") }
      let (changes, summary) = merge(try Self.objects(of: adapter, codes, in: session))
      if writes {
        // Deleting and inserting is faster than updating: only inserts have a bulk form.
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
    let select = "SELECT \(ObjectRow.syncedColumns(session.dialect)) FROM objects WHERE"
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
  /// Excludes other writers of the table until the transaction ends; reading continues. Must be the first statement: a
  /// transaction that already locked rows could deadlock with one that waits for them.
  ///
  /// Does nothing in SQLite, whose writing transactions exclude each other.
  func lockForWriting(_ table: String) throws(StoreError) {
    if dialect == .postgres { try run("LOCK TABLE \(table) IN EXCLUSIVE MODE") }
  }
}
