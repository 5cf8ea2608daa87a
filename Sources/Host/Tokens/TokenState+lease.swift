import AdapterAPI

/// The lease of the token's row: claiming, extending and releasing it, and going on without it.
extension TokenState {
  var isClaiming: Bool {
    if case .claiming = exchange?.step { true } else { false }
  }

  /// The end of an exchange's wait for an absent store; it continues without the lease then.
  private var lastChance: Instant { current?.lastChance ?? Instant(nanoseconds: .min) }

  /// The time at which a claiming exchange has to be looked at next; nil: when the store's response comes.
  var claimWake: Instant? {
    guard isClaiming else { return nil }
    return work.isIdle ? work.claimAt : work.isOverdue ? lastChance : nil
  }

  mutating func continueClaiming(at time: ClockReading) {
    guard isClaiming else { return }
    let now = time.now
    if work.isOverdue {
      if lastChance <= now { storeIsUnavailable(.unanswered, at: time) }
    } else if !work.isIdle {
      // An earlier job must not use up the claim's time.
      work.limit(to: now + claimTimeout(now))
    } else if work.claimAt <= now {
      row.forgetAnnouncement()
      work.start(.claim, timeout: claimTimeout(now), at: now)
      act(.claim(seen: row.pair))
    }
  }

  /// The wait for a claim. It ends before it would cost callers a valid token.
  private func claimTimeout(_ now: Instant) -> Duration {
    guard let current, current.isUsable(now) else {
      return work.downSince == nil ? TokenTiming.storeTimeout : TokenTiming.storeDownTimeout
    }
    let rest = current.lastChance > now ? current.lastChance - now : (current.expires - now) / 2
    // A working store needs some milliseconds too, even when the token is about to expire.
    return min(TokenTiming.storeTimeout, max(rest, TokenTiming.storeDownTimeout))
  }

  /// The store's response to `.claim`.
  mutating func claimed(_ result: Result<ClaimOutcome, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    endJob(result, at: time)
    let now = time.now
    switch result {
    case .success(.granted):
      let isGranted = row.grantLease(asked: work.started, now: now)
      guard isClaiming else { return }
      if isGranted { callUpstream(at: time) } else { work.claim(at: now) }
    case .success(.changed(let pair)):
      guard isClaiming, let changes = exchange?.changes else { return }
      learn(pair)
      exchange?.changes = changes + 1
      work.claim(at: changes < TokenTiming.toleratedChanges ? now : now + TokenTiming.poll(sharing))
      _ = useStoredPair(at: time)
    case .success(.held(let rest)):
      row.dropLease()
      work.claim(at: row.isOutdated ? now : now + pause(rest))
    case .failure(let error):
      if work.started + TokenTiming.storeTimeout < now {
        // A failure from before a standstill tells nothing about the store now.
        work.claim(at: now)
      } else {
        storeIsUnavailable(error, at: time)
      }
    }
  }

  /// Returns how long to wait for a lease that another process has for `rest`.
  func pause(_ rest: Duration) -> Duration { max(TokenTiming.shortestPoll, min(rest, TokenTiming.poll(sharing))) }

  /// A claim failed or is overdue. While the current token is good, the store is tried again, so that the shared refresh token is
  /// used once. When half of the renewal window is left, the exchange continues without the lease.
  mutating func storeIsUnavailable(_ error: StoreError, at time: ClockReading) {
    guard isClaiming else { return }
    serveWaiters(at: time)
    let now = time.now
    if lastChance > now, sharing == .network || error.code == .unavailable {
      let soon = max(TokenTiming.shortestPoll, (lastChance - now) / 4)
      work.claim(at: min(timing.next(now, in: TokenTiming.storeRetryInterval), now + soon))
      return
    }
    // Another process may reach a store in the network, hold its lease and use the shared refresh token. A file that this process
    // cannot write cannot be written by any other process either.
    exchange?.isDetached = sharing == .network
    callUpstream(at: time)
  }

  // MARK: Extending

  mutating func extendLease(at time: ClockReading) {
    guard let due = row.extendAt, due <= time.now, mayExtend else { return }
    row.startExtension(time.now)
    work.start(.extend, at: time.now)
    act(.extend)
  }

  /// Not for a call that continues after its cancellation: other processes must be able to renew.
  var mayExtend: Bool { work.isIdle && isCalling && exchange?.isCancelled == false }

  /// The store's response to `.extend`. The exchange continues in any case; its save decides.
  mutating func extended(_ result: Result<Bool, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    endJob(result, at: time)
    switch result {
    case .success(true): row.extendLease(asked: work.started)
    case .success(false):
      row.dropLease()
      log(.info, "Another process has taken the lease of the token")
    case .failure: break
    }
  }

  // MARK: Releasing

  /// Releases a lease that no save has released.
  mutating func releaseLease(at time: ClockReading) {
    guard row.isLeased, exchange == nil, work.isIdle, work.unsaved == nil || phase == .stopping else { return }
    row.dropLease()
    work.start(.release, at: time.now)
    act(.release)
  }

  /// The store's response to `.release`. A failure does not matter: the lease ends by itself.
  mutating func released(_ result: Result<Void, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    endJob(result, at: time)
  }
}
