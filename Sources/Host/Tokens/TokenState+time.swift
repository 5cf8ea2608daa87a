import AdapterAPI

/// What happens because time passes, and what follows from every change.
extension TokenState {
  /// When `tick` has something to do next; nil: never, until something else happens.
  var wake: Instant? {
    var next = waiters.nextDue
    func consider(_ instant: Instant?) {
      guard let instant else { return }
      next = min(next ?? instant, instant)
    }
    consider(storeDue.map { min($0, storeWatched + TokenTiming.watch) })
    if isCalling, let exchange, !exchange.isCancelled { consider(exchange.deadline + TokenTiming.exchangeGrace) }
    if mayExtend { consider(lease?.extendAt) }
    consider(claimWake)
    if unsaved != nil, storeJob == nil, maySave { consider(saveAt) }
    if phase == .running, exchange == nil {
      if let held { consider(max(aheadOfNeed(held), backoff.notBefore)) }
      if storeJob == nil, unsaved == nil, sharing != .process { consider(lookAt) }
    }
    return next
  }

  mutating func tick(at time: ClockReading) {
    let now = time.now
    if storeJob != nil { watchStore(now) }
    if let due = storeDue, due <= now { storeDawdles(at: time) }
    if isCalling, let running = exchange, !running.isCancelled,
      running.deadline + TokenTiming.exchangeGrace <= now
    {
      // The next one waits for its end all the same: two with one refresh token would void each other.
      exchange?.isCancelled = true
      act(.cancelExchange)
    }
    while let (id, deadline) = waiters.popDue(now) {
      if let held, held.isUsable(now) {
        act(.resume([id], .success(held.token)))
      } else if deadline <= now {
        act(.resume([id], .failure(KeeperError(.deadline))))
      } else {
        waiters.add(id, due: deadline, deadline: deadline)
      }
    }
    settle(at: time)
  }

  /// Only time in which this process runs counts against the store: after it stood still, the answer may be here and
  /// unread.
  private mutating func watchStore(_ now: Instant) {
    if let wake, wake + TokenTiming.stall <= now {
      storeDue = max(storeDue.map { $0 + (now - wake) } ?? now, now + TokenTiming.watch)
    }
    storeWatched = now
  }

  private mutating func storeDawdles(at time: ClockReading) {
    storeDue = nil
    setStoreDown(.unanswered, at: time)
    if phase == .loading { phase = .running }
    storeIsAway(.unanswered, at: time)
    adoptUnsaved(at: time)
  }

  /// When the keeper renews by itself: before callers notice; at once when the token can't be used any more.
  private func aheadOfNeed(_ held: HeldToken) -> Instant {
    held.isRejected ? held.received : held.timerAt
  }

  /// Starts what can be started now, and answers who can't be served. Ends every event.
  mutating func settle(at time: ClockReading) {
    let now = time.now
    if mayBegin(now) {
      if !waiters.isEmpty {
        begin(at: time)
      } else if let held, aheadOfNeed(held) <= now {
        begin(at: time)
      }
    }
    goOnClaiming(at: time)
    if exchange == nil, phase != .new, phase != .loading, !waiters.isEmpty { giveUp(at: time) }
    extendLease(at: time)
    save(at: time)
    releaseLease(at: time)
    look(at: time)
    if phase == .stopping { stopIfIdle() }
  }

  // MARK: Stopping

  /// No new exchange; what is under way is finished and saved.
  mutating func stop(at time: ClockReading) {
    guard phase != .stopping else { return }
    guard phase != .stopped else { return act(.stopped) }
    phase = .stopping
    // No call to the upstream has begun yet.
    if isClaiming { giveUp(at: time) }
    // One last attempt, whatever the waiting.
    saveAt = min(saveAt, time.now)
    settle(at: time)
  }

  private mutating func stopIfIdle() {
    // A store that dawdles is not waited for: it may do so for ever.
    guard exchange == nil, storeJob == nil || storeDue == nil else { return }
    phase = .stopped
    act(.stopped)
  }
}
