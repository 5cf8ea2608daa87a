import AdapterAPI

/// Where the upstreams' tokens outlive the process: one row per adapter instance.
///
/// Any number of processes may share one store. Two rules keep them from spending one refresh token twice
/// (docs/decisions/0004-replicas.md):
///
/// * Who wants to exchange a token takes the **lease** of its row first, in a short transaction, and keeps extending
///   it while the exchange with the upstream is under way. The lease ends by the database's clock, so one whose holder
///   was killed or frozen is free after a few seconds.
/// * Every write is a compare-and-swap against the row that the writer saw last, and is refused while somebody else
///   holds the lease; so a holder that was frozen and wakes up late can't overwrite what others did meanwhile.
protocol TokenStore: Sendable {
  var sharing: StoreSharing { get }
  func open() async throws(StoreError)
  func close() async

  /// The pair of that adapter, unless it came from another upstream: a token never goes where it did not come from.
  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair?

  /// Takes the lease, unless the row says something else than the caller saw last, or somebody else has it.
  ///
  /// - Parameters:
  ///   - seen: what the caller saw last; nil when it saw nothing.
  ///   - holder: this process, distinct from every other; who has the lease already may take it again.
  ///   - time: how long from now on it is good, unless it is extended.
  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome

  /// Lets the lease last `time` from now on.
  ///
  /// - Returns: false when it is no longer this holder's.
  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool

  /// Gives the lease back without having stored anything. Does nothing where it is no longer this holder's.
  func release(_ key: TokenKey, holder: String) async throws(StoreError)

  /// Keeps `token` in the place of `old`, durably, and gives the lease back, in one transaction: when this returns
  /// `.saved`, a crash does not lose it. Tells the other processes where the engine can.
  ///
  /// Somebody who writes the row without knowing versions is noticed too: version **and** both tokens have to be those
  /// of `old`. A row of another upstream is overwritten whatever it says, unless it is leased.
  ///
  /// - Parameter old: what the caller saw last; nil when it saw nothing.
  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome
}

/// Whose token.
struct TokenKey: Sendable, Hashable {
  /// The adapter instance's name.
  let adapter: String
  /// The identity `type|address|hash of the account` that the pair is bound to.
  let upstream: String
  /// It is the adapter under `defaults.adapter`: its row keeps the lowest id, where EcoCtrl looks for the token.
  var isDefault = false
  /// A row that names no adapter, as EcoCtrl writes it, is taken for this one's when it has none yet.
  var adopts = false
}

/// A token as it stands in the store, with the row's version.
struct StoredPair: Sendable, Equatable {
  let token: Token
  /// Counts up with every write of a pair; what compare-and-swap compares. Taking a lease does not move it.
  let version: Int64
  /// How long the token was still good when the row was read, by the store's clock, which all processes share; nil where
  /// the row does not tell when it was obtained.
  var left: Duration?

  /// When it was read makes no difference.
  static func == (a: StoredPair, b: StoredPair) -> Bool { a.token == b.token && a.version == b.version }
}

/// How asking for the lease ended.
enum ClaimOutcome: Sendable, Equatable {
  /// The caller has it.
  case granted
  /// The row was changed since the caller looked; this is what stands there now. No lease was taken.
  case changed(StoredPair)
  /// Somebody else has it, for that long unless they extend it or give it back.
  case held(Duration)
}

/// How a compare-and-swap ended.
enum SaveOutcome: Sendable, Equatable {
  case saved(StoredPair)
  /// Somebody else changed the row meanwhile; this is what stands there now. The lease was given back.
  case lost(StoredPair)
  /// Somebody else has the lease, for that long unless they extend it or give it back. Nothing was written.
  case leased(Duration)
}

extension StoredPair {
  /// The row is still what the writer saw last. Not every upstream gives a new refresh token each time, so the access
  /// token has to be the same too.
  func isUnchanged(since old: StoredPair?) -> Bool {
    guard let old else { return false }
    return version == old.version && token.refresh == old.token.refresh && token.access == old.token.access
  }
}
