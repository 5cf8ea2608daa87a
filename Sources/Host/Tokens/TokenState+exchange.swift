import AdapterAPI

/// Exchanges with the upstream.
extension TokenState {
  func mayBegin(_ now: Instant) -> Bool { phase == .running && exchange == nil && backoff.notBefore <= now }

  /// A call to the upstream is under way.
  var isCalling: Bool {
    switch exchange?.step {
    case .refreshing, .authorizing: true
    case .claiming, .saving, nil: false
    }
  }

  /// Starts an exchange; `mayBegin` has been asked. It is over already when the store was seen to have a good pair.
  mutating func begin(at time: ClockReading) {
    exchange = Exchange(started: time.now)
    claimAt = time.now
    if !takeOver(at: time) { goOnClaiming(at: time) }
  }

  /// What a refresh starts from: the newest pair that is known. Nothing while its refresh token is known to be dead: an
  /// older pair's is so too.
  private var renewable: Token? {
    guard deadRefresh == nil else { return nil }
    var newest = unsaved
    if newest == nil, let stored = base?.token, held == nil || isNews(stored) { newest = stored }
    newest = newest ?? held?.token
    return newest.flatMap { $0.refresh.isEmpty ? nil : $0 }
  }

  /// Calls the upstream: with the lease, or without where the store's being away allows it.
  mutating func proceed(at time: ClockReading) {
    // The last call failed, and the store has nothing better.
    guard backoff.notBefore <= time.now else { return giveUp(at: time) }
    if exchange?.isDetached != true, let current = renewable {
      renewed = current
      call(.refreshing(current), current, at: time)
    } else {
      call(.authorizing, nil, at: time)
    }
  }

  private mutating func call(_ step: Step, _ current: Token?, at time: ClockReading) {
    let deadline = time.now + timing.exchangeTimeout
    exchange?.step = step
    exchange?.deadline = deadline
    exchange?.isCancelled = false
    act(.exchange(current, deadline: deadline))
  }

  /// The upstream answered.
  mutating func exchanged(_ result: Result<Token, AdapterError>, at time: ClockReading) {
    defer { settle(at: time) }
    guard let step = exchange?.step else { return }
    switch (result, step) {
    case (.success(let token), .refreshing):
      act(.emit(.refreshed))
      obtained(token, at: time)
    case (.success(let token), .authorizing):
      act(.emit(exchange?.isDetached == true ? .detached : .authorized))
      obtained(token, at: time)
    case (.failure(let error), .refreshing(let current)) where error.code == .refreshRejected:
      act(.emit(.rejected))
      act(.log(.warning, "The upstream refused the refresh token", detail: error.detail))
      deadRefresh = current.refresh
      claimAgain(at: time)
    case (.failure(let error), .refreshing), (.failure(let error), .authorizing):
      act(.emit(.failed))
      failed(error, at: time)
    case (_, .claiming), (_, .saving): break
    }
  }

  /// Looks what stands in the store and takes the lease again, in one: another process may have stored a newer pair,
  /// and authorizing could make that one void.
  private mutating func claimAgain(at time: ClockReading) {
    guard phase == .running else { return giveUp(at: time) }
    exchange?.step = .claiming
    exchange?.deadline = .distantFuture
    claimAt = time.now
  }

  private mutating func obtained(_ token: Token, at time: ClockReading) {
    let token = Self.corrected(token, at: time)
    unsaved = token
    deadRefresh = nil
    lostSaves = 0
    saveAt = time.now
    var fresh = HeldToken.fresh(token, now: time.now, timing: timing)
    fresh.isDetached = exchange?.isDetached == true
    if storeDownSince != nil || isStoreDawdling {
      // Not waited for; `settle` saves when it can.
      adopt(fresh, at: time)
    } else {
      exchange?.step = .saving(fresh)
      exchange?.deadline = .distantFuture
    }
  }

  private mutating func failed(_ error: AdapterError, at time: ClockReading) {
    failure = error
    backoff.fail(time.now, atLeast: error.retryAfter ?? .zero)
    setFailing(true, at: time)
    act(.log(.warning, "The upstream gave no new token", detail: "\(error)"))
    // The lease has ended meanwhile, as after standing still: then somebody else may have done better.
    let isOverrun = exchange?.isDetached == false && storeDownSince == nil && (lease.map { $0.until <= time.now } ?? true)
    if isOverrun, !waiters.isEmpty, held?.isUsable(time.now) != true {
      claimAgain(at: time)
    } else {
      giveUp(at: time)
    }
  }

  /// Ends the exchange without a new token.
  mutating func giveUp(at time: ClockReading) {
    exchange = nil
    guard !waiters.isEmpty else { return }
    if let held, held.isUsable(time.now) {
      act(.resume(waiters.removeAll(), .success(held.token)))
    } else {
      act(.resume(waiters.removeAll(), .failure(phase == .running ? refusal(time.now) : KeeperError(.stopped))))
    }
  }

  /// Puts a token into use; ends the exchange.
  mutating func adopt(_ new: HeldToken, at time: ClockReading) {
    exchange = nil
    failure = nil
    setFailing(false, at: time)
    // With too many strikes the doubling goes on: the next refusal is likely.
    if strikes <= TokenTiming.freeRejections { backoff.reset() }
    hold(new, at: time)
  }

  /// Gives a token to everybody; an exchange that is wanted goes on.
  mutating func hold(_ new: HeldToken, at time: ClockReading) {
    held = new
    act(.publish)
    serveWaiters(at: time)
  }

  /// Who waits gets the token in hand, when it is good.
  mutating func serveWaiters(at time: ClockReading) {
    guard let held, held.isUsable(time.now), !waiters.isEmpty else { return }
    act(.resume(waiters.removeAll(), .success(held.token)))
  }

  /// The store and other programs read `expiresAt` by our wall clock; an upstream whose clock is off is translated.
  private static func corrected(_ token: Token, at time: ClockReading) -> Token {
    guard token.lifetime > 0 else { return token }
    let (ends, overflow) = time.wall.addingReportingOverflow(token.lifetime)
    guard !overflow else { return token }
    let (difference, overflow2) = ends.subtractingReportingOverflow(token.expiresAt)
    guard overflow2 || difference.magnitude > UInt64(TokenTiming.clockTolerance) else { return token }
    let translated = try? Token(access: token.access, refresh: token.refresh, expiresAt: ends, lifetime: token.lifetime)
    return translated ?? token
  }
}
