import AdapterAPI

/// The lease of the token's row: asking for it, keeping it, giving it back, going on without it.
extension TokenState {
  var isClaiming: Bool {
    if case .claiming = exchange?.step { true } else { false }
  }

  /// An exchange waits for a store that is known to be away: nobody else has to wait with it.
  var isClaimingInVain: Bool { isClaiming && storeDownSince != nil }

  /// Until when an away store is waited for before going on without it.
  private var lastChance: Instant { held?.lastChance ?? Instant(nanoseconds: .min) }

  /// When a claiming exchange has something to do next; nil: when the store answers.
  var claimWake: Instant? {
    guard isClaiming else { return nil }
    return storeJob == nil ? claimAt : isStoreDawdling ? lastChance : nil
  }

  mutating func goOnClaiming(at time: ClockReading) {
    guard isClaiming else { return }
    let now = time.now
    if isStoreDawdling {
      if lastChance <= now { storeIsAway(.unanswered, at: time) }
    } else if storeJob != nil {
      // What the store was asked before may not take the time that the claim has.
      storeDue = storeDue.map { min($0, now + claimPatience(now)) }
    } else if claimAt <= now {
      hinted = nil
      startJob(.claim, patience: claimPatience(now), at: time)
      act(.claim(seen: base))
    }
  }

  /// Never beyond the point from which on waiting would cost callers a valid token.
  private func claimPatience(_ now: Instant) -> Duration {
    guard let held, held.isUsable(now) else {
      return storeDownSince == nil ? TokenTiming.storePatience : TokenTiming.downPatience
    }
    let rest = held.lastChance > now ? held.lastChance - now : (held.expires - now) / 2
    // A store that is well needs some milliseconds too, even when the token ends right now.
    return min(TokenTiming.storePatience, max(rest, TokenTiming.downPatience))
  }

  /// The store answered a `.claim`.
  mutating func claimed(_ result: Result<ClaimOutcome, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    let asked = endJob()
    switch result {
    case .success(.granted):
      setStoreDown(nil, at: time)
      let granted = Lease(asked: asked)
      // An answer older than the lease itself is worth nothing: this process stood still.
      lease = granted.until > time.now ? granted : nil
      guard isClaiming else { return }
      if lease == nil { claimAt = time.now } else { proceed(at: time) }
    case .success(.changed(let pair)):
      setStoreDown(nil, at: time)
      guard isClaiming else { return }
      learn(pair)
      exchange?.changes += 1
      let changes = exchange?.changes ?? 0
      claimAt = changes <= 3 ? time.now : time.now + TokenTiming.poll(sharing)
      _ = takeOver(at: time)
    case .success(.held(let rest)):
      setStoreDown(nil, at: time)
      lease = nil
      claimAt = isHinted ? time.now : time.now + pause(rest)
    case .failure(let error):
      setStoreDown(error, at: time)
      if asked + TokenTiming.storePatience < time.now {
        // Nor is a failure from before standing still.
        claimAt = time.now
      } else {
        storeIsAway(error, at: time)
      }
    }
  }

  /// How long to wait for a lease that somebody else has for `rest`.
  func pause(_ rest: Duration) -> Duration { max(TokenTiming.shortestPoll, min(rest, TokenTiming.poll(sharing))) }

  /// A claim failed or dawdles. While the token in hand is good the store is tried again, so that the shared refresh
  /// token is spent once; with half of the window left, the exchange goes on without the lease.
  mutating func storeIsAway(_ error: StoreError, at time: ClockReading) {
    guard isClaiming else { return }
    serveWaiters(at: time)
    let now = time.now
    if lastChance > now, sharing == .network || error.code == .unavailable {
      let soon = max(TokenTiming.shortestPoll, (lastChance - now) / 4)
      claimAt = min(timing.next(now, in: TokenTiming.lookWhileDown), now + soon)
      return
    }
    // Others may reach a store in the network, and hold its lease: its refresh token is not ours to spend. A file that
    // can't be written can't be written by anybody.
    exchange?.isDetached = sharing == .network
    proceed(at: time)
  }

  // MARK: Keeping it

  mutating func extendLease(at time: ClockReading) {
    guard let lease, lease.extendAt <= time.now, mayExtend else { return }
    self.lease?.extendAt = time.now + TokenTiming.lease / 3
    startJob(.extend, at: time)
    act(.extend)
  }

  /// Not for a call that does not even end when it is cancelled: others must be able to go on.
  var mayExtend: Bool { storeJob == nil && isCalling && exchange?.isCancelled == false }

  /// The store answered an `.extend`. Whatever it said, the exchange goes on, and its save decides.
  mutating func extended(_ result: Result<Bool, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    let asked = endJob()
    switch result {
    case .success(true):
      setStoreDown(nil, at: time)
      lease?.until = asked + TokenTiming.lease
    case .success(false):
      setStoreDown(nil, at: time)
      lease = nil
      act(.log(.info, "The lease of the token has gone to another process", detail: ""))
    case .failure(let error): setStoreDown(error, at: time)
    }
  }

  // MARK: Giving it back

  /// Where nothing was stored, which would have given it back.
  mutating func releaseLease(at time: ClockReading) {
    guard lease != nil, exchange == nil, storeJob == nil, unsaved == nil || phase == .stopping else { return }
    lease = nil
    startJob(.release, at: time)
    act(.release)
  }

  /// The store answered a `.release`. One that failed does not matter: the lease ends by itself.
  mutating func released(_ result: Result<Void, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    _ = endJob()
    if case .failure(let error) = result { setStoreDown(error, at: time) } else { setStoreDown(nil, at: time) }
  }
}
