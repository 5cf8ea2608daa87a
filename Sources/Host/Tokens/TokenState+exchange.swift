import AdapterAPI

/// Exchanges with the upstream.
extension TokenState {
  func mayBegin(_ now: Instant) -> Bool { phase == .running && exchange == nil && backoff.notBefore <= now }

  /// Starts an exchange; `mayBegin` has been asked.
  mutating func begin(at time: ClockReading) {
    exchange = Exchange(step: .consulting, started: time.now, deadline: .distantFuture)
    if let current = held?.refreshable { refresh(current, at: time) } else { consult(at: time) }
  }

  private mutating func refresh(_ current: Token, at time: ClockReading) {
    spentRefresh = current.refresh
    call(.refreshing(current), current, at: time)
  }

  /// Before authorizing: another process may have stored a newer pair, and authorizing could make that one void.
  private mutating func consult(at time: ClockReading) {
    // A store that is busy already does not answer in time.
    guard storeJob == nil else { return call(.authorizing, nil, at: time) }
    exchange?.step = .consulting
    exchange?.deadline = .distantFuture
    startLoad(at: time)
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
      act(.emit(.authorized))
      obtained(token, at: time)
    case (.failure(let error), .refreshing) where error.code == .refreshRejected:
      act(.emit(.rejected))
      act(.log(.warning, "The upstream refused the refresh token", detail: error.detail))
      held?.isRefreshDead = true
      consult(at: time)
    case (.failure(let error), .refreshing), (.failure(let error), .authorizing):
      act(.emit(.failed))
      failed(error, at: time)
    case (_, .consulting), (_, .saving): break
    }
  }

  /// What the store said to an exchange that was about to authorize: a pair that is news, or nil.
  mutating func consulted(_ pair: StoredPair?, at time: ClockReading) {
    guard let pair, pair.token.access != held?.token.access, pair.token.access != refusedAccess,
      pair.token.refresh != spentRefresh || pair.token.refresh.isEmpty
    else { return call(.authorizing, nil, at: time) }
    let stored = HeldToken.stored(pair.token, at: time, timing: timing)
    if stored.isUsable(time.now) {
      act(.log(.info, "Another process has renewed the token; its pair is used", detail: ""))
      adopt(stored, at: time)
    } else if let current = stored.refreshable {
      held = stored
      refresh(current, at: time)
    } else {
      call(.authorizing, nil, at: time)
    }
  }

  private mutating func obtained(_ token: Token, at time: ClockReading) {
    let token = Self.corrected(token, at: time)
    unsaved = token
    lostSaves = 0
    saveBackoff.reset()
    let fresh = HeldToken.fresh(token, now: time.now, timing: timing)
    if storeJob == nil {
      exchange?.step = .saving(fresh)
      exchange?.deadline = .distantFuture
      startSave(token, at: time)
    } else {
      // The store dawdles since before; its turn comes when it has answered.
      adopt(fresh, at: time)
    }
  }

  private mutating func failed(_ error: AdapterError, at time: ClockReading) {
    exchange = nil
    failure = error
    backoff.fail(time.now, atLeast: error.retryAfter ?? .zero)
    setFailing(true, at: time)
    act(.log(.warning, "The upstream gave no new token", detail: "\(error)"))
    guard !waiters.isEmpty else { return }
    if let held, held.isUsable(time.now) {
      act(.resume(waiters.removeAll(), .success(held.token)))
    } else {
      act(.resume(waiters.removeAll(), .failure(refusal(time.now))))
    }
  }

  /// Puts a token into use; ends the exchange.
  mutating func adopt(_ new: HeldToken, at time: ClockReading) {
    exchange = nil
    held = new
    failure = nil
    setFailing(false, at: time)
    // With too many strikes the doubling goes on: the next refusal is likely.
    if strikes <= TokenTiming.freeRejections { backoff.reset() }
    act(.publish)
    if !waiters.isEmpty, new.isUsable(time.now) { act(.resume(waiters.removeAll(), .success(new.token))) }
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
