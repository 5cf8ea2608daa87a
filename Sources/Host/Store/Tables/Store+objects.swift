/// The catalogue's objects. Ids are UUIDs in lower case; texts contain no NUL.
extension Store {
  /// The time limit of work on the whole catalogue.
  static let longWork = Duration.seconds(60)

  /// Returns one page, ordered by the bytes of the codes.
  func objects(_ query: ObjectQuery) async throws(StoreError) -> (items: [CatalogueObject], hasMore: Bool) {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      try query.page(in: session)
    }
  }

  func object(id: String) async throws(StoreError) -> CatalogueObject? {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      let rows = try session.query(
        "SELECT \(ObjectRow.columns(session.dialect)) FROM objects WHERE id = $1", [.text(id)])
      return rows.first.map(ObjectRow.object)
    }
  }

  /// - Throws: `.conflict` when the code is taken.
  func create(_ object: CatalogueObject) async throws(StoreError) {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      try ObjectRow.insert([SyncedObject(object: object)], in: session)
    }
  }

  /// Replaces an object with the result of `change` in one transaction. Returns nil when the object does not exist.
  ///
  /// Leaves the values of the last sync unchanged, so that the next sync recognises this change.
  ///
  /// - Parameter change: may run more than once; a failure changes nothing.
  /// - Throws: `.conflict` when the new code is taken.
  func replace<Failure: Error>(
    id: String, _ change: @escaping @Sendable (CatalogueObject) -> Result<CatalogueObject, Failure>
  ) async throws(StoreError) -> Result<CatalogueObject, Failure>? {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) {
      (session) throws(StoreError) -> Result<CatalogueObject, Failure>? in
      let select = "SELECT \(ObjectRow.columns(session.dialect)) FROM objects WHERE id = $1\(session.dialect.forUpdate)"
      guard let old = try session.query(select, [.text(id)]).first.map(ObjectRow.object) else { return nil }
      var new: CatalogueObject
      switch change(old) {
      case .success(let changed): new = changed
      case .failure(let refusal): return .failure(refusal)
      }
      new.id = id
      try session.run(
        """
        UPDATE objects SET code = $1, name = $2, type = $3, description = $4, metadata = $5,
          model_id = $6, status = $7, updated_at = \(session.dialect.now)
        WHERE id = $8
        """,
        [
          .text(new.code), .text(new.name), .text(new.type), SQLValue(new.description), .text(new.metadata),
          SQLValue(new.model), SQLValue(new.status), .text(id),
        ])
      return .success(new)
    }
  }

  /// Sends a text to the database, which stores nothing.
  ///
  /// - Throws: `.unstorable` when it has a character that can't be stored.
  func receive(_ text: String) async throws(StoreError) {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      _ = try session.query("SELECT length(CAST($1 AS text))", [.text(text)])
    }
  }

  /// - Returns: false when the object does not exist.
  func deleteObject(id: String) async throws(StoreError) -> Bool {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      try session.run("DELETE FROM objects WHERE id = $1", [.text(id)]) > 0
    }
  }

  /// Writes all objects in one transaction, or none.
  ///
  /// - Returns: the indices of the objects whose code is taken; empty when all were written.
  /// - Throws: `.conflict` when two of the objects have the same code.
  func importObjects(_ objects: [CatalogueObject]) async throws(StoreError) -> [Int] {
    do throws(StoreError) {
      // No look-up first: conflicts are rare, and only the unique index excludes them.
      try await database.transaction(.catalogue, .writing, limit: Self.longWork) { (session) throws(StoreError) in
        try ObjectRow.insert(objects.map { SyncedObject(object: $0) }, in: session)
      }
      return []
    } catch {
      guard error.code == .conflict else { throw error }
      let taken = try await taken(objects.map(\.code))
      if taken.isEmpty { throw error }
      return objects.indices.filter { taken.contains(ObjectCode(objects[$0].code)) }
    }
  }

  /// Returns the codes that existing objects have.
  private func taken(_ codes: [String]) async throws(StoreError) -> Set<ObjectCode> {
    try await database.transaction(.catalogue, .reading, limit: Self.longWork) { (session) throws(StoreError) in
      var taken: Set<ObjectCode> = []
      try ObjectRow.inBatches(codes) { (list, values) throws(StoreError) in
        let rows = try session.query("SELECT code FROM objects WHERE code IN (\(list))", values)
        taken.formUnion(rows.map { ObjectCode($0.text(0)) })
      }
      return taken
    }
  }
}
