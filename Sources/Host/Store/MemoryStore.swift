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

  func load(adapter: String, upstream: String) async throws(StoreError) -> StoredPair? {
    try rows.withLock { (rows) throws(StoreError) -> StoredPair? in
      if rows.isClosed { throw .closed }
      guard let row = rows.byAdapter[adapter], row.upstream == upstream else { return nil }
      return row.pair
    }
  }

  func save(
    _ token: Token, adapter: String, upstream: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome {
    try rows.withLock { (rows) throws(StoreError) -> SaveOutcome in
      if rows.isClosed { throw .closed }
      let row = rows.byAdapter[adapter]
      if let row, row.upstream == upstream, !row.pair.isUnchanged(since: old) { return .lost(row.pair) }
      let pair = StoredPair(token: token, version: max(row?.pair.version ?? 0, old?.version ?? 0) + 1)
      rows.byAdapter[adapter] = Row(upstream: upstream, pair: pair)
      return .saved(pair)
    }
  }

  func close() async {
    rows.withLock { $0.isClosed = true }
  }
}
