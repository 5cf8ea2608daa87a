import AdapterAPI

/// The token table. Every call is one short transaction: read the row, decide (`TokenRecord`), write.
extension Store: TokenStore {
  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair? {
    let (found, mayAdopt) = try await database.transaction(.tokens, .reading, limit: Self.shortWork) {
      (session) throws(StoreError) in
      let table = TokenTable(session)
      if let record = try table.record(of: key) { return (record.pair(for: key), false) }
      return (nil, key.adopts ? try table.hasOrphan() : false)
    }
    if !mayAdopt { return found }
    return try await writing { (table) throws(StoreError) in try table.adopted(key)?.pair(for: key) }
  }

  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome {
    try await writing { (table) throws(StoreError) in
      guard let record = try table.adopted(key) else {
        try table.insertPlaceholder(key, holder: holder, for: time)
        return .granted
      }
      let outcome = record.claim(key, holder: holder, seen: seen)
      if outcome == .granted { try table.lease(record, key, holder: holder, for: time) }
      return outcome
    }
  }

  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool {
    try await writing { (table) throws(StoreError) in try table.extend(key, holder: holder, for: time) }
  }

  func release(_ key: TokenKey, holder: String) async throws(StoreError) {
    try await writing { (table) throws(StoreError) in try table.release(key, holder: holder) }
  }

  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome {
    try await writing { (table) throws(StoreError) in
      let record = try table.adopted(key)
      if let refusal = record?.refusal(key, holder: holder, replacing: old) {
        if case .lost = refusal { try table.release(key, holder: holder) }
        return refusal
      }
      let pair = StoredPair(token: token, version: TokenRecord.version(after: record, old))
      if let record {
        try table.update(record, pair, key, holder: holder)
      } else {
        try table.insert(pair, key, holder: holder)
      }
      try table.announce(pair, key)
      return .saved(pair)
    }
  }

  /// Repeats on a conflict: when two processes create the same row at once, one of them fails, and finds the row on its
  /// next attempt.
  private func writing<Value: Sendable>(
    _ body: @escaping @Sendable (TokenTable) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    var attempts = 1
    while true {
      do throws(StoreError) {
        return try await database.transaction(.tokens, .writing, limit: Self.shortWork) {
          (session) throws(StoreError) in
          try body(TokenTable(session))
        }
      } catch {
        guard error.code == .conflict, attempts < 5 else { throw error }
        attempts += 1
      }
    }
  }
}
