import AdapterAPI

/// Exchanges with the upstream.
extension TokenState {
  func mayBegin(_ now: Instant) -> Bool { phase == .running && exchange == nil && refusals.notBefore <= now }

  /// A call to the upstream is under way.
  var isCalling: Bool {
    switch exchange?.step {
    case .refreshing, .authorizing: true
    case .claiming, .saving, nil: false
    }
  }

  /// Starts an exchange. `mayBegin` must hold. The exchange is over at once when the row is known to hold a good pair.
  mutating func begin(at time: ClockReading) {
    exchange = Exchange(started: time.now)
    work.claim(at: time.now)
    if !useStoredPair(at: time) { continueClaiming(at: time) }
  }

  /// The newest known pair, which a refresh starts from. Nil while its refresh token is known to be refused: the refresh tokens
  /// of older pairs are dead too.
  private var renewable: Token? {
    guard !refusals.mustAuthorize else { return nil }
    var newest = work.unsaved
    if newest == nil, let stored = row.pair?.token, current == nil || isNew(stored) { newest = stored }
    newest = newest ?? current?.token
    return newest.flatMap { $0.refresh.isEmpty ? nil : $0 }
  }

  /// Calls the upstream, with the lease, or without it where the rules for an absent store allow that.
  mutating func callUpstream(at time: ClockReading) {
    // The last call failed, and the row holds nothing better.
    guard refusals.notBefore <= time.now else { return giveUp(at: time) }
    let deadline = time.now + timing.exchangeTimeout
    let token = exchange?.isDetached == true ? nil : renewable
    if let token { refusals.refreshStarts(from: token) }
    exchange?.step = token.map { .refreshing($0) } ?? .authorizing
    exchange?.deadline = deadline
    exchange?.isCancelled = false
    act(.exchange(token, deadline: deadline))
  }

  /// The call to the upstream has ended.
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
    case (.failure(let error), .refreshing(let spent)) where error.code == .refreshRejected:
      act(.emit(.rejected))
      log(.warning, "The upstream refused the refresh token", error.detail)
      refusals.refreshRefused(spent)
      claimAgain(at: time)
    case (.failure(let error), .refreshing), (.failure(let error), .authorizing):
      act(.emit(.failed))
      failed(error, at: time)
    case (_, .claiming), (_, .saving): break
    }
  }

  private mutating func claimAgain(at time: ClockReading) {
    guard phase == .running else { return giveUp(at: time) }
    exchange?.step = .claiming
    exchange?.deadline = .distantFuture
    work.claim(at: time.now)
  }

  private mutating func obtained(_ token: Token, at time: ClockReading) {
    let token = Self.corrected(token, at: time)
    work.setUnsaved(token, at: time.now)
    refusals.obtained()
    var fresh = TimedToken.fresh(token, now: time.now, timing: timing)
    fresh.isDetached = exchange?.isDetached == true
    if work.downSince != nil || work.isOverdue {
      // `settle` saves it when the store is back.
      finish(with: fresh, at: time)
    } else {
      exchange?.step = .saving(fresh)
      exchange?.deadline = .distantFuture
    }
  }

  private mutating func failed(_ error: AdapterError, at time: ClockReading) {
    refusals.exchangeFailed(error, at: time)
    log(.warning, "The upstream issued no new token", "\(error)")
    // When the lease has ended meanwhile, as after a standstill, another process may have been more successful.
    let isOverrun = row.leaseEnd.map { $0 <= time.now } ?? (work.downSince == nil)
    if isOverrun, exchange?.isDetached == false, !waiters.isEmpty, current?.isUsable(time.now) != true {
      claimAgain(at: time)
    } else {
      giveUp(at: time)
    }
  }

  /// Ends the exchange without a new token.
  mutating func giveUp(at time: ClockReading) {
    exchange = nil
    serveWaiters(at: time)
    guard !waiters.isEmpty else { return }
    act(.resume(waiters.removeAll(), .failure(phase == .running ? refusals.error(time.now) : KeeperError(.stopped))))
  }

  /// Ends the exchange with a new token.
  mutating func finish(with new: TimedToken, at time: ClockReading) {
    exchange = nil
    refusals.exchangeSucceeded()
    use(new, at: time)
  }

  /// Makes a token the current one. An exchange under way continues.
  mutating func use(_ new: TimedToken, at time: ClockReading) {
    current = new
    act(.publish)
    serveWaiters(at: time)
  }

  /// Gives the current token to all waiters, when it is good.
  mutating func serveWaiters(at time: ClockReading) {
    guard let current, current.isUsable(time.now), !waiters.isEmpty else { return }
    act(.resume(waiters.removeAll(), .success(current.token)))
  }

  /// Returns the token with its expiry by this process's wall clock when the upstream's clock is off: the store and other programs
  /// read `expiresAt` by that clock.
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
