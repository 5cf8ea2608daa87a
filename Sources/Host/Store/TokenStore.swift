import AdapterAPI

/// Where the upstreams' tokens outlive the process: one row per adapter instance.
///
/// Several processes may share one store. Every write is a compare-and-swap against the row that the writer saw last,
/// so that of two that renewed the same pair exactly one is kept, and the other learns which.
protocol TokenStore: Sendable {
  /// Opens what has to be opened and brings the schema up to date. The other methods do so themselves when it was not
  /// called or failed; calling it at start says early what is wrong.
  func open() async throws(StoreError)

  /// The pair of that adapter, unless it came from another upstream: a token never goes where it did not come from.
  ///
  /// - Parameter upstream: the identity `type|address|hash of the account`.
  func load(adapter: String, upstream: String) async throws(StoreError) -> StoredPair?

  /// Keeps `token` in the place of `old`, durably: when this returns `.saved`, a crash does not lose it.
  ///
  /// Somebody who writes the row without knowing versions is noticed too: version **and** refresh token have to be
  /// those of `old`. A row of another upstream is overwritten whatever it says.
  ///
  /// - Parameter old: what the caller saw last; nil when it saw nothing.
  func save(
    _ token: Token, adapter: String, upstream: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome

  /// Waits for what is under way, then gives up the file. Every later call throws.
  func close() async
}

/// A token as it stands in the store, with the row's version.
struct StoredPair: Sendable, Equatable {
  let token: Token
  /// Counts up with every write; what compare-and-swap compares.
  let version: Int64
}

/// How a compare-and-swap ended.
enum SaveOutcome: Sendable, Equatable {
  case saved(StoredPair)
  /// Somebody else changed the row meanwhile; this is what stands there now.
  case lost(StoredPair)
}

extension StoredPair {
  /// The row is still what the writer saw last.
  func isUnchanged(since old: StoredPair?) -> Bool {
    guard let old else { return false }
    return version == old.version && token.refresh == old.token.refresh
  }
}
