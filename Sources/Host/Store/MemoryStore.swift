import AdapterAPI
import Synchronization

/// The store that forgets: for demos and tests.
final class MemoryStore: TokenStore {
  private struct Row {
    var upstream: String
    var pair: StoredPair
  }

  private struct Rows {
    var byAdapter: [String: Row] = [:]
    var isClosed = false
  }

  private let rows = Mutex(Rows())

  init() {}

  func open() async throws(StoreError) {}

  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair? {
    try rows.withLock { (rows) throws(StoreError) -> StoredPair? in
      if rows.isClosed { throw .closed }
      guard let row = rows.byAdapter[key.adapter], row.upstream == key.upstream else { return nil }
      return row.pair
    }
  }

  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome {
    try rows.withLock { (rows) throws(StoreError) -> SaveOutcome in
      if rows.isClosed { throw .closed }
      let row = rows.byAdapter[key.adapter]
      if let row, row.upstream == key.upstream, !row.pair.isUnchanged(since: old) { return .lost(row.pair) }
      let pair = StoredPair(token: token, version: max(row?.pair.version ?? 0, old?.version ?? 0) + 1)
      rows.byAdapter[key.adapter] = Row(upstream: key.upstream, pair: pair)
      return .saved(pair)
    }
  }

  var sharing: StoreSharing { .process }

  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome { .granted }

  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool { true }

  func release(_ key: TokenKey, holder: String) async throws(StoreError) {}

  func close() async {
    rows.withLock { $0.isClosed = true }
  }
}
