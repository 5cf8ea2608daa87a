import AdapterAPI

/// Persistent storage of upstream tokens: one row per adapter instance.
///
/// Any number of processes may share one store. Two rules keep them from using one refresh token twice
/// (docs/decisions/0004-replicas.md):
///
/// * A process takes the **lease** of the row, in a short transaction, before it exchanges a token, and extends it
///   while the exchange with the upstream is under way. The lease ends by the database's clock, so the lease of a
///   holder that was killed or frozen is free after a few seconds.
/// * Every write is a compare-and-swap against the row that the writer saw last, and is refused while another process
///   holds the lease. So a holder that was frozen and resumes late can't overwrite newer tokens.
protocol TokenStore: Sendable {
  var sharing: StoreSharing { get }
  func open() async throws(StoreError)
  func close() async

  /// Returns the adapter's pair, or nil when it came from another upstream: a token is only sent to the upstream that
  /// issued it.
  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair?

  /// Takes the lease, unless the row has changed since the caller saw it or another process holds the lease.
  ///
  /// - Parameters:
  ///   - seen: the pair that the caller saw last; nil when it saw none.
  ///   - holder: identifies this process. The present holder may take its lease again.
  ///   - time: the lease's duration from now on, unless it is extended.
  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome

  /// Extends the lease to `time` from now on.
  ///
  /// - Returns: false when this holder has lost the lease.
  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool

  /// Releases the lease without storing a pair. Does nothing when this holder has lost the lease.
  func release(_ key: TokenKey, holder: String) async throws(StoreError)

  /// Replaces `old` with `token` durably and releases the lease, in one transaction: after `.saved`, a crash does not
  /// lose the pair. Notifies the other processes where the engine can.
  ///
  /// Writers that do not maintain versions are detected too: the version **and** both tokens must equal those of `old`.
  /// A row of another upstream is overwritten unless it is leased.
  ///
  /// - Parameter old: the pair that the caller saw last; nil when it saw none.
  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome
}

/// Identifies a token row: adapter instance and upstream.
struct TokenKey: Sendable, Hashable {
  /// The adapter instance's name.
  let adapter: String
  /// The identity `type
  /// address
  /// hash of the account` that the pair is bound to.
  let upstream: String
  /// The adapter is the one under `defaults.adapter`: its row has the lowest id, where EcoCtrl looks for the token.
  var isDefault = false
  /// An adapter without a row may adopt a row that names no adapter, as EcoCtrl writes it.
  var adopts = false
}

/// A stored token pair with its row's version.
struct StoredPair: Sendable, Equatable {
  let token: Token
  /// Incremented with every write of a pair, and compared by compare-and-swap. Taking a lease does not change it.
  let version: Int64
  /// The remaining validity when the row was read, by the database's clock, which all processes share. Nil when the row
  /// does not say when the token was obtained.
  var left: Duration?

  /// Ignores `left`, which depends on the time of reading.
  static func == (a: StoredPair, b: StoredPair) -> Bool { a.token == b.token && a.version == b.version }
}

/// The result of `TokenStore.claim`.
enum ClaimOutcome: Sendable, Equatable {
  /// The caller holds the lease.
  case granted
  /// The row has changed since the caller saw it; here is its present pair. No lease was taken.
  case changed(StoredPair)
  /// Another process holds the lease, for this time unless it extends or releases it.
  case held(Duration)
}

/// The result of `TokenStore.save`.
enum SaveOutcome: Sendable, Equatable {
  case saved(StoredPair)
  /// Another writer changed the row; here is its present pair. The lease was released.
  case lost(StoredPair)
  /// Another process holds the lease, for this time unless it extends or releases it. Nothing was written.
  case leased(Duration)
}

extension StoredPair {
  /// Returns whether the row is still the one that the writer saw last. Not every upstream issues a new refresh token
  /// each time, so the access tokens are compared too.
  func isUnchanged(since old: StoredPair?) -> Bool {
    guard let old else { return false }
    return version == old.version && token.refresh == old.token.refresh && token.access == old.token.access
  }
}
