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
    consider(storeDue)
    if let exchange, !exchange.isCancelled, exchange.deadline != .distantFuture {
      consider(exchange.deadline + TokenTiming.exchangeGrace)
    }
    if phase == .running {
      if exchange == nil, let held { consider(max(aheadOfNeed(held), backoff.notBefore)) }
      if unsaved != nil, storeJob == nil { consider(saveBackoff.notBefore) }
    }
    return next
  }

  mutating func tick(at time: ClockReading) {
    let now = time.now
    if let due = storeDue, due <= now { storeDawdles(at: time) }
    if let running = exchange, !running.isCancelled, running.deadline != .distantFuture,
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

  private mutating func storeDawdles(at time: ClockReading) {
    storeDue = nil
    setStoreDown(StoreError(.unavailable, "The store has not answered for some time."), at: time)
    if phase == .loading {
      phase = .running
    } else if case .consulting = exchange?.step {
      consulted(nil, at: time)
    } else {
      adoptUnsaved(at: time)
    }
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
    if exchange == nil, phase != .new, phase != .loading, !waiters.isEmpty {
      let error = phase == .running ? refusal(now) : KeeperError(.stopped)
      act(.resume(waiters.removeAll(), .failure(error)))
    }
    if let token = unsaved, storeJob == nil, phase == .running || phase == .stopping, saveBackoff.notBefore <= now {
      startSave(token, at: time)
    }
    if phase == .stopping { stopIfIdle() }
  }

  // MARK: Stopping

  /// No new exchange; what is under way is finished and saved.
  mutating func stop(at time: ClockReading) {
    guard phase != .stopping else { return }
    guard phase != .stopped else { return act(.stopped) }
    phase = .stopping
    // One last attempt, whatever the waiting.
    saveBackoff.reset()
    settle(at: time)
  }

  private mutating func stopIfIdle() {
    // A store that dawdles is not waited for: it may do so for ever.
    guard exchange == nil, storeJob == nil || storeDue == nil else { return }
    phase = .stopped
    act(.stopped)
  }
}
