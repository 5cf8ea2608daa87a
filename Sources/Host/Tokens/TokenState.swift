import AdapterAPI

/// Decides everything about one adapter's token; does nothing itself.
///
/// Every method takes the time, changes the state and appends to `actions` what the driver (`TokenKeeper`) has to do.
/// At most one exchange with the upstream is under way, and at most one job at the store.
///
/// An exchange runs through `Step`s: claim the row's lease → refresh → (refresh token refused: claim again, which looks
/// whether somebody else stored a newer pair → authorize) → save → use. The new pair is stored before anybody uses it,
/// since the old refresh token may be dead already; only a store that fails or dawdles is not waited for. What is done
/// without the store, and why, is in docs/decisions/0004-replicas.md.
struct TokenState: Sendable {
  enum Action: Sendable {
    case load
    case claim(seen: StoredPair?)
    case extend
    case release
    case save(Token, replacing: StoredPair?)
    /// Nil: authorize.
    case exchange(Token?, deadline: Instant)
    case cancelExchange
    case resume([TokenWaiters.ID], Result<Token, KeeperError>)
    /// The token in use changed, or is no longer to be used: copies are stale.
    case publish
    case emit(TokenEvent)
    case log(LogLevel, StaticString, detail: String)
    /// Nothing is under way any more.
    case stopped
  }

  enum Answer: Sendable {
    case token(Token)
    case wait
    case fail(KeeperError)
  }

  enum Phase: Sendable { case new, loading, running, stopping, stopped }

  enum Step: Sendable {
    /// Asks the store for the lease, or waits until it asks again.
    case claiming
    /// With that token's refresh token.
    case refreshing(Token)
    case authorizing
    /// Obtained, and waits for the store.
    case saving(HeldToken)
  }

  struct Exchange: Sendable {
    var step = Step.claiming
    let started: Instant
    /// Of the call to the upstream that is under way.
    var deadline = Instant.distantFuture
    var isCancelled = false
    /// Without the lease, since a store that others share is away.
    var isDetached = false
    /// How often the row had changed when the lease was asked for.
    var changes = 0

    init(started: Instant) { self.started = started }
  }

  enum StoreJob: Sendable, Equatable {
    case load, claim, extend, release
    case save(Token)
  }

  /// The lease of the token's row, as far as is known: the store decides.
  struct Lease: Sendable {
    /// By this process's clock, counted from the asking: the store's own end is not earlier.
    var until: Instant
    var extendAt: Instant

    init(asked: Instant) {
      until = asked + TokenTiming.lease
      extendAt = asked + TokenTiming.lease / 3
    }
  }

  let sharing: StoreSharing
  var timing: TokenTiming
  private(set) var actions: [Action] = []
  var phase = Phase.new
  var held: HeldToken?
  var exchange: Exchange?
  /// After a failed exchange, or too many tokens that were never good.
  var backoff = TokenBackoff()
  /// What the last exchange failed with; nil after a good one.
  var failure: AdapterError?
  var waiters = TokenWaiters()

  // The store (`TokenState+store`, `TokenState+lease`).
  var storeJob: StoreJob?
  var storeStarted = Instant(nanoseconds: .min)
  /// When the job counts as dawdling; nil: it does already, or there is none.
  var storeDue: Instant?
  /// When an alarm last found the job under way.
  var storeWatched = Instant(nanoseconds: .min)
  /// What stands in the store, as far as is known.
  var base: StoredPair?
  /// When that pair's token ends; nil where only its own text tells.
  var baseUntil: Instant?
  /// Obtained, and not stored yet.
  var unsaved: Token?
  var lease: Lease?
  /// The lease is not asked for, and the unsaved pair not stored, and the row not looked at, before.
  var claimAt = Instant(nanoseconds: .min)
  var saveAt = Instant(nanoseconds: .min)
  var lookAt: Instant?
  /// Another process has said that this version is in the store; nobody has looked since.
  var hinted: Int64?
  var lostSaves = 0

  /// What the last refresh began with: in the store, it is no news.
  var renewed: Token?
  /// A refresh token that the upstream refused; only authorizing helps, or a pair from somebody else.
  var deadRefresh: String?
  /// The access token that the upstream refused last.
  var refusedAccess: String?
  /// Tokens in a row that were refused young.
  var strikes = 0

  /// Since when (wall clock) exchanges fail, and the store does.
  private(set) var failingSince: Int64?
  private(set) var storeDownSince: Int64?

  init(timing: TokenTiming, sharing: StoreSharing) {
    self.timing = timing
    self.sharing = sharing
  }

  mutating func takeActions() -> [Action] {
    defer { actions.removeAll() }
    return actions
  }

  mutating func act(_ action: Action) { actions.append(action) }

  // MARK: Callers

  /// The token, when it can be had without any further thought.
  func ready(_ now: Instant) -> Token? {
    guard let held, held.isUsable(now), now < held.refreshAt else { return nil }
    return held.token
  }

  /// A caller asks for a token.
  mutating func ask(_ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading) -> Answer {
    let now = time.now
    guard let held, held.isUsable(now) else { return wait(id, deadline: deadline, at: time) }
    if now < held.refreshAt { return .token(held.token) }
    if mayBegin(now) { begin(at: time) }
    guard let exchange, now < exchange.started + TokenTiming.patience, now < deadline, !isClaimingInVain else {
      // Beginning may have found a better one in the store.
      return .token(self.held?.token ?? held.token)
    }
    waiters.add(id, due: exchange.started + TokenTiming.patience, deadline: deadline)
    return .wait
  }

  /// A caller says that the upstream refused `rejected`, and wants another one.
  mutating func replace(
    _ rejected: Token, _ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading
  ) -> Answer {
    if let held, held.token.access == rejected.access, !held.isRejected {
      reject(at: time)
    } else if let held, held.token.access != rejected.access, held.isUsable(time.now) {
      return .token(held.token)
    }
    return wait(id, deadline: deadline, at: time)
  }

  /// The upstream accepted that token, so a later refusal means that it ended, not that none is ever good.
  mutating func accept(_ token: Token) {
    guard let held, held.token.access == token.access, !held.isRejected else { return }
    self.held?.isProven = true
    strikes = 0
    backoff.reset()
  }

  /// - Returns: false when nobody of that number waits.
  mutating func cancel(_ id: TokenWaiters.ID) -> Bool {
    guard waiters.remove(id) else { return false }
    act(.resume([id], .failure(KeeperError(.cancelled))))
    return true
  }

  private mutating func wait(_ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading) -> Answer {
    guard time.now < deadline else { return .fail(KeeperError(.deadline)) }
    if exchange == nil {
      switch phase {
      case .new, .loading: break
      case .stopping, .stopped: return .fail(KeeperError(.stopped))
      case .running:
        guard mayBegin(time.now) else { return .fail(refusal(time.now)) }
        begin(at: time)
        // The store may have had a good one.
        if let held, held.isUsable(time.now) { return .token(held.token) }
      }
    }
    waiters.add(id, due: deadline, deadline: deadline)
    return .wait
  }

  /// Takes the token in hand out of use.
  private mutating func reject(at time: ClockReading) {
    guard var rejected = held else { return }
    rejected.isRejected = true
    held = rejected
    // Who waits for an away store with a good token in hand does not wait any longer.
    claimAt = time.now
    refusedAccess = rejected.token.access
    act(.publish)
    act(.log(.info, "The upstream refused the access token", detail: ""))
    if rejected.isProven || time.now - rejected.received >= TokenTiming.youth {
      strikes = 0
    } else {
      strikes += 1
      // An upstream that refuses every token it gives must not be asked for ever more of them.
      if strikes > TokenTiming.freeRejections, exchange == nil {
        backoff.fail(time.now)
        setFailing(true, at: time)
        act(.log(.warning, "The upstream refuses the tokens that it gives", detail: "\(strikes) in a row"))
      }
    }
  }

  func refusal(_ now: Instant) -> KeeperError {
    let rest = max(backoff.rest(now), .seconds(1))
    let detail = failure.map { "\($0)" } ?? "the upstream refuses the tokens that it gives"
    return KeeperError(.noToken, retryAfter: rest, cause: failure?.code, detail: detail)
  }

  // MARK: Bookkeeping

  mutating func setFailing(_ isFailing: Bool, at time: ClockReading) {
    failingSince = isFailing ? failingSince ?? time.wall : nil
  }

  mutating func setStoreDown(_ error: StoreError?, at time: ClockReading) {
    // An answer that came after the end concerns nobody.
    if phase == .stopped { return }
    if let error, storeDownSince == nil {
      storeDownSince = time.wall
      act(.emit(.storeDown))
      act(.log(.error, "The store fails; tokens are kept in memory", detail: error.message))
    } else if error == nil, storeDownSince != nil {
      storeDownSince = nil
      act(.emit(.storeUp))
      act(.log(.info, "The store works again", detail: ""))
    }
  }
}
