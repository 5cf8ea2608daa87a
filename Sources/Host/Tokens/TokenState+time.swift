import AdapterAPI

/// Time, and the consequences of every event.
extension TokenState {
  /// The time at which `tick` has to be called next; nil: not before another event.
  var wake: Instant? {
    var next = waiters.nextDue
    func consider(_ instant: Instant?) {
      guard let instant else { return }
      next = min(next ?? instant, instant)
    }
    consider(work.alarm)
    consider(cancelAt)
    if mayExtend { consider(row.extendAt) }
    consider(claimWake)
    if maySave { consider(work.nextSave) }
    if phase == .running, exchange == nil {
      if let due = renewAt { consider(max(due, refusals.notBefore)) }
      if work.isIdle, work.unsaved == nil, sharing != .process { consider(work.lookAt) }
    }
    return next
  }

  mutating func tick(at time: ClockReading) {
    let now = time.now
    if work.watch(now, expected: wake) { storeIsOverdue(at: time) }
    if let cancelAt, cancelAt <= now {
      // The next call still waits for the end of this one: two calls with one refresh token would void each other's pair.
      exchange?.isCancelled = true
      act(.cancelExchange)
    }
    while let (id, deadline) = waiters.popDue(now) {
      if let current, current.isUsable(now) {
        act(.resume([id], .success(current.token)))
      } else if deadline <= now {
        act(.resume([id], .failure(KeeperError(.deadline))))
      } else {
        waiters.add(id, due: deadline, deadline: deadline)
      }
    }
    settle(at: time)
  }

  /// The time at which the call to the upstream is cancelled.
  private var cancelAt: Instant? {
    guard isCalling, let exchange, !exchange.isCancelled else { return nil }
    return exchange.deadline + TokenTiming.exchangeGrace
  }

  private mutating func storeIsOverdue(at time: ClockReading) {
    setStoreDown(.unanswered, at: time)
    if phase == .loading { phase = .running }
    storeIsUnavailable(.unanswered, at: time)
    useUnsaved(at: time)
  }

  /// The time at which the keeper starts an exchange by itself: before a caller meets the renewal window, at once when the token was
  /// refused, or when there is none and one is wanted; else nil.
  private var renewAt: Instant? {
    guard let current else { return isFetching ? Instant(nanoseconds: .min) : nil }
    return current.isRejected ? current.received : current.timerAt
  }

  /// Starts what can start now, and fails the callers that cannot be served. Ends every event.
  mutating func settle(at time: ClockReading) {
    let now = time.now
    if mayBegin(now), !waiters.isEmpty || renewAt.map({ $0 <= now }) == true { begin(at: time) }
    continueClaiming(at: time)
    if exchange == nil, phase != .new, phase != .loading { giveUp(at: time) }
    extendLease(at: time)
    save(at: time)
    releaseLease(at: time)
    look(at: time)
    if phase == .stopping { stopIfIdle() }
  }

  // MARK: Stopping

  /// Allows no new exchange. The one under way is finished and its pair saved.
  mutating func stop(at time: ClockReading) {
    guard phase != .stopping else { return }
    guard phase != .stopped else { return act(.stopped) }
    phase = .stopping
    // No call to the upstream has begun yet.
    if isClaiming { giveUp(at: time) }
    // The first token, for which no caller waits: an upstream that hangs must not hold up the end.
    if case .authorizing = exchange?.step, waiters.isEmpty, let deadline = exchange?.deadline {
      exchange?.deadline = min(deadline, time.now)
    }
    // One last attempt to save, without waiting for the next retry.
    work.hurry(time.now)
    settle(at: time)
  }

  private mutating func stopIfIdle() {
    // An overdue job is not waited for: it may never end.
    guard exchange == nil, work.isIdle || work.isOverdue else { return }
    phase = .stopped
    act(.stopped)
  }
}
