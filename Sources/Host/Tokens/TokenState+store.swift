import AdapterAPI

/// The store's part: loading at start, saving, losing a race, being down.
extension TokenState {
  mutating func start(at time: ClockReading) {
    guard phase == .new else { return }
    phase = .loading
    startLoad(at: time)
  }

  mutating func startLoad(at time: ClockReading) {
    storeJob = .load
    storeDue = time.now + TokenTiming.storePatience
    act(.load)
  }

  mutating func startSave(_ token: Token, at time: ClockReading) {
    storeJob = .save(token)
    storeDue = time.now + TokenTiming.storePatience
    act(.save(token, replacing: base))
  }

  /// The store answered a `.load`.
  mutating func loaded(_ result: Result<StoredPair?, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    storeJob = nil
    storeDue = nil
    var pair: StoredPair?
    let known = base
    switch result {
    case .success(let found):
      setStoreDown(nil, at: time)
      pair = found
      base = found
    case .failure(let error): setStoreDown(error, at: time)
    }
    if phase == .loading {
      phase = .running
      if let pair { held = .stored(pair.token, at: time, timing: timing) }
      answerWaiters(at: time)
    } else if case .consulting = exchange?.step {
      consulted(pair.flatMap { $0.isUnchanged(since: known) ? nil : $0 }, at: time)
    } else if held == nil, exchange == nil, let pair {
      // Too late for the start, and still in time to be of use.
      held = .stored(pair.token, at: time, timing: timing)
      act(.publish)
    }
  }

  private mutating func answerWaiters(at time: ClockReading) {
    guard let held, held.isUsable(time.now) else { return }
    act(.publish)
    if !waiters.isEmpty { act(.resume(waiters.removeAll(), .success(held.token))) }
  }

  /// The store answered a `.save` of `token`.
  mutating func saved(_ result: Result<SaveOutcome, StoreError>, of token: Token, at time: ClockReading) {
    defer { settle(at: time) }
    storeJob = nil
    storeDue = nil
    switch result {
    case .success(.saved(let pair)):
      setStoreDown(nil, at: time)
      kept(pair, at: time)
    case .success(.lost(let winner)) where winner.token.access == token.access && winner.token.refresh == token.refresh:
      // An earlier attempt arrived, although its answer did not.
      setStoreDown(nil, at: time)
      kept(winner, at: time)
    case .success(.lost(let winner)):
      setStoreDown(nil, at: time)
      lost(to: winner, at: time)
    case .success(.leased):
      saveBackoff.fail(time.now)
      adoptUnsaved(at: time)
    case .failure(let error):
      setStoreDown(error, at: time)
      saveBackoff.fail(time.now)
      adoptUnsaved(at: time)
    }
  }

  private mutating func kept(_ pair: StoredPair, at time: ClockReading) {
    base = pair
    lostSaves = 0
    saveBackoff.reset()
    // A still newer one may have come meanwhile.
    if unsaved?.access == pair.token.access { unsaved = nil }
    if case .saving(let fresh) = exchange?.step, fresh.token.access == pair.token.access { adopt(fresh, at: time) }
  }

  /// Somebody else wrote first: their pair is used, since the upstream may have made ours void by giving theirs; unless
  /// it is an old one, that is, over, refused, or the very one that was renewed.
  private mutating func lost(to winner: StoredPair, at time: ClockReading) {
    base = winner
    let theirs = HeldToken.stored(winner.token, at: time, timing: timing)
    let isOld =
      !theirs.isUsable(time.now) || winner.token.access == refusedAccess
      || (winner.token.refresh == spentRefresh && !winner.token.refresh.isEmpty)
    if !isOld {
      unsaved = nil
      lostSaves = 0
      act(.log(.info, "Another process has renewed the token first; its pair is used", detail: ""))
      adopt(theirs, at: time)
      return
    }
    lostSaves += 1
    // `settle` saves again, now in the place of the winner.
    if lostSaves >= 3 {
      saveBackoff.fail(time.now)
      adoptUnsaved(at: time)
    } else if case .saving(let fresh) = exchange?.step {
      startSave(fresh.token, at: time)
    }
  }

  /// The store failed or dawdles: the token is used without it.
  mutating func adoptUnsaved(at time: ClockReading) {
    if case .saving(let fresh) = exchange?.step { adopt(fresh, at: time) }
  }
}
