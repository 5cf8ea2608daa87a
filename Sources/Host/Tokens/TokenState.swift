import AdapterAPI

/// The state machine of one adapter's token. It decides; the driver (`TokenKeeper`) acts.
///
/// Every event method takes the time, changes the state and appends actions, which the driver takes and carries out. At most one
/// exchange with the upstream and at most one job at the store are under way. Three parts keep their own state: `work` (the job at
/// the store, the unsaved pair, retries), `row` (the stored pair as last seen, the lease) and `refusals` (refused tokens, back-off).
///
/// | phase    | next phase |
/// | -------- | ---------- |
/// | new      | loading (`start`), stopping (`stop`) |
/// | loading  | running (the row is read, or the store failed or is overdue), stopping (`stop`) |
/// | running  | stopping (`stop`) |
/// | stopping | stopped (no exchange under way, and no job at the store that is not overdue) |
/// | stopped  | – |
///
/// | step of the exchange | next step |
/// | -------------------- | --------- |
/// | none        | claiming (a caller needs a token, the first one is wanted (`fetch`), or the renewal window begins; only while running and not in the back-off) |
/// | claiming    | refreshing or authorizing (the lease is granted, or the store is unavailable for too long); none (another process's pair is used, or the back-off or the stop forbids a call) |
/// | refreshing  | saving (a new pair); claiming (refresh token refused; or failed after the lease ended); none (failed; or a new pair while the store is unavailable) |
/// | authorizing | as refreshing |
/// | saving      | none (saved, lost to another process's pair, or the store failed or is overdue) |
///
/// A refused refresh token leads back to claiming, which also reads the row: another process may have stored a newer pair, and
/// authorizing could void it. A new pair is stored before it is used, since the old refresh token may be dead already; only a
/// store that fails or is overdue is not waited for. For the rules without the store see docs/decisions/0004-replicas.md.
struct TokenState: Sendable {
  enum Action: Sendable {
    case load
    case claim(seen: StoredPair?)
    case extend
    case release
    case save(Token, replacing: StoredPair?)
    /// Calls the upstream: refreshes the pair, or authorizes when there is none.
    case exchange(Token?, deadline: Instant)
    case cancelExchange
    case resume([TokenWaiters.ID], Result<Token, KeeperError>)
    /// The current token has changed or must not be used any longer: copies are stale.
    case publish
    case emit(TokenEvent)
    case log(LogLevel, StaticString, detail: String)
    /// No exchange and no store job is under way any more.
    case stopped
  }

  /// The result of a caller's request for a token.
  enum Decision: Sendable {
    case token(Token)
    /// A later `resume` action names the caller.
    case wait
    case fail(KeeperError)
  }

  enum Phase: Sendable { case new, loading, running, stopping, stopped }

  enum Step: Sendable {
    /// A claim is under way, or scheduled.
    case claiming
    /// A call to the upstream with that token's refresh token is under way.
    case refreshing(Token)
    case authorizing
    /// The new token waits to be stored.
    case saving(TimedToken)
  }

  struct Exchange: Sendable {
    var step = Step.claiming
    let started: Instant
    /// The deadline of the call to the upstream that is under way.
    var deadline = Instant.distantFuture
    var isCancelled = false
    /// Without the lease, since a shared store is unavailable.
    var isDetached = false
    /// The number of claims that found the row changed.
    var changes = 0
  }

  let sharing: StoreSharing
  var timing: TokenTiming
  private(set) var actions: [Action] = []
  var phase = Phase.new
  /// The first token is wanted even without a caller.
  var isFetching = false
  /// The token in use, or the last one.
  var current: TimedToken?
  var exchange: Exchange?
  var waiters = TokenWaiters()
  var work = StoreWork()
  var row = StoredRow()
  var refusals = TokenRefusals()

  init(timing: TokenTiming, sharing: StoreSharing) {
    self.timing = timing
    self.sharing = sharing
  }

  mutating func takeActions() -> [Action] {
    defer { actions.removeAll() }
    return actions
  }

  mutating func act(_ action: Action) { actions.append(action) }

  mutating func log(_ level: LogLevel, _ message: StaticString, _ detail: String = "") {
    act(.log(level, message, detail: detail))
  }

  // MARK: Callers

  /// The current token if it is good and outside the renewal window.
  func ready(_ now: Instant) -> Token? {
    guard let current, current.isUsable(now), now < current.refreshAt else { return nil }
    return current.token
  }

  /// A caller requests a token.
  mutating func ask(_ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading) -> Decision {
    let now = time.now
    guard let current, current.isUsable(now) else { return wait(id, deadline: deadline, at: time) }
    if now < current.refreshAt { return .token(current.token) }
    if mayBegin(now) { begin(at: time) }
    // No caller waits for a store that is known to be unavailable.
    let isStoreUnavailable = isClaiming && work.downSince != nil
    guard let exchange, now < exchange.started + TokenTiming.renewalWait, now < deadline, !isStoreUnavailable else {
      // The exchange may have found a better token in the store.
      return .token(self.current?.token ?? current.token)
    }
    waiters.add(id, due: exchange.started + TokenTiming.renewalWait, deadline: deadline)
    return .wait
  }

  /// A caller reports that the upstream refused `rejected`, and requests another token.
  mutating func replace(
    _ rejected: Token, _ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading
  ) -> Decision {
    if let current, current.token.access == rejected.access, !current.isRejected {
      reject(current, at: time)
    } else if let current, current.token.access != rejected.access, current.isUsable(time.now) {
      return .token(current.token)
    }
    return wait(id, deadline: deadline, at: time)
  }

  /// The upstream accepted `token`: a later refusal means that the token ended, not that it never was good.
  mutating func accept(_ token: Token) {
    guard let current, current.token.access == token.access, !current.isRejected else { return }
    self.current?.isProven = true
    refusals.accessAccepted()
  }

  /// - Returns: false when there is no such waiter.
  mutating func cancel(_ id: TokenWaiters.ID) -> Bool {
    guard waiters.remove(id) else { return false }
    act(.resume([id], .failure(KeeperError(.cancelled))))
    return true
  }

  private mutating func wait(_ id: TokenWaiters.ID, deadline: Instant, at time: ClockReading) -> Decision {
    guard time.now < deadline else { return .fail(KeeperError(.deadline)) }
    if exchange == nil {
      switch phase {
      case .new, .loading: break
      case .stopping, .stopped: return .fail(KeeperError(.stopped))
      case .running:
        guard mayBegin(time.now) else { return .fail(refusals.error(time.now)) }
        begin(at: time)
        // The row may have contained a good token.
        if let current, current.isUsable(time.now) { return .token(current.token) }
      }
    }
    waiters.add(id, due: deadline, deadline: deadline)
    return .wait
  }

  /// Takes the current token out of use.
  private mutating func reject(_ rejected: TimedToken, at time: ClockReading) {
    current?.isRejected = true
    // An exchange that waits for the store, because the token was good, does not wait any longer.
    work.claim(at: time.now)
    act(.publish)
    log(.info, "The upstream refused the access token")
    if let count = refusals.accessRefused(rejected, duringExchange: exchange != nil, at: time) {
      log(.warning, "The upstream refuses the tokens that it issues", "\(count) in a row")
    }
  }
}
