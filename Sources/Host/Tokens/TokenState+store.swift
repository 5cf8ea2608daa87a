import AdapterAPI

/// The store: loading and saving the pair, other processes' pairs, failures.
extension TokenState {
  mutating func start(at time: ClockReading) {
    guard phase == .new else { return }
    phase = .loading
    startLoad(at: time)
  }

  /// Obtains the first token without a caller.
  mutating func fetch(at time: ClockReading) {
    isFetching = true
    settle(at: time)
  }

  private mutating func startLoad(at time: ClockReading) {
    row.forgetAnnouncement()
    work.start(.load, at: time.now)
    act(.load)
  }

  /// Ends the job under way, and notes whether the store works.
  mutating func endJob<Value>(_ result: Result<Value, StoreError>, at time: ClockReading) {
    work.end()
    if case .failure(let error) = result { setStoreDown(error, at: time) } else { setStoreDown(nil, at: time) }
  }

  mutating func setStoreDown(_ error: StoreError?, at time: ClockReading) {
    // A response that comes after the end is of no interest.
    guard phase != .stopped, work.setDown(error != nil, wall: time.wall) else { return }
    act(.emit(error == nil ? .storeUp : .storeDown))
    if let error {
      log(.error, "The store fails; tokens are only in memory", error.message)
    } else {
      log(.info, "The store works again")
    }
  }

  // MARK: Other processes' pairs

  /// Another process announces that it stored that version.
  mutating func noticed(_ version: Int64, at time: ClockReading) {
    row.announce(version)
    if row.isOutdated { work.hurry(time.now) }
    settle(at: time)
  }

  /// Reads the row from time to time: an announcement may be lost, and a failing store may work again. With an unsaved pair the
  /// attempts to save it serve the same purpose.
  mutating func look(at time: ClockReading) {
    guard phase == .running, exchange == nil, work.isIdle, work.unsaved == nil else { return }
    let interval = work.downSince == nil ? TokenTiming.lookInterval : TokenTiming.storeRetryInterval
    if work.lookAt == nil { work.look(at: timing.next(time.now, in: interval)) }
    if row.isOutdated || (sharing != .process && work.lookAt.map { $0 <= time.now } == true) { startLoad(at: time) }
  }

  func isNew(_ token: Token) -> Bool { refusals.isNew(token, besides: current?.token) }

  /// Returns whether a stored token has to replace the current one. Of two good tokens, the one that expires last wins.
  private func isBetter(_ stored: TimedToken, _ now: Instant) -> Bool {
    guard stored.isUsable(now), isNew(stored.token) else { return false }
    guard let current, current.isUsable(now) else { return true }
    return stored.token.expiresAt >= current.token.expiresAt
  }

  /// Remembers the stored pair. A new pair makes up for a refused refresh token, and for an unsaved pair that does not expire
  /// later.
  mutating func learn(_ pair: StoredPair) {
    row.see(pair, asked: work.started)
    guard isNew(pair.token) else { return }
    refusals.newPair(pair.token)
    if case .saving = exchange?.step { return }
    if let unsaved = work.unsaved, pair.token.expiresAt >= unsaved.expiresAt { work.discardUnsaved() }
  }

  /// Uses the stored pair in an exchange, as far as it is another process's and good.
  ///
  /// - Returns: whether that ended the exchange.
  mutating func useStoredPair(at time: ClockReading) -> Bool {
    guard let token = row.pair?.token, isNew(token) else { return false }
    let stored = TimedToken.stored(token, until: row.expires, at: time, timing: timing)
    if stored.isUsable(time.now), time.now < stored.refreshAt {
      finish(withStored: stored, at: time)
      return true
    }
    if isBetter(stored, time.now) {
      work.discardUnsaved()
      use(stored, at: time)
    }
    return false
  }

  private mutating func finish(withStored stored: TimedToken, at time: ClockReading) {
    work.discardUnsaved()
    act(.emit(.adopted))
    log(.info, "Another process has renewed the token; its pair is used")
    finish(with: stored, at: time)
  }

  /// The store's response to `.load`.
  mutating func loaded(_ result: Result<StoredPair?, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    endJob(result, at: time)
    // A pair obtained meanwhile is saved in place of the row as it was known when the call began, or not at all.
    if case .success(let found) = result, exchange == nil || isClaiming { seeRow(found, at: time) }
    if phase == .loading { phase = .running }
  }

  private mutating func seeRow(_ found: StoredPair?, at time: ClockReading) {
    let known = row.pair
    row.see(found, asked: work.started)
    guard let found, !found.isUnchanged(since: known) else { return }
    learn(found)
    let stored = TimedToken.stored(found.token, until: row.expires, at: time, timing: timing)
    if isClaiming {
      _ = useStoredPair(at: time)
    } else if phase == .loading {
      current = stored
      if stored.isUsable(time.now) { use(stored, at: time) }
    } else if isBetter(stored, time.now) {
      finish(withStored: stored, at: time)
    }
  }

  // MARK: Saving

  /// Saves the unsaved pair, which an exchange has just obtained, or which is in use already.
  mutating func save(at time: ClockReading) {
    guard let token = work.unsaved, let due = work.nextSave, due <= time.now, maySave else { return }
    row.forgetAnnouncement()
    work.start(.save(token), at: time.now)
    act(.save(token, replacing: row.pair))
  }

  /// While an exchange is on its way to a newer pair, the older one is not worth the lease that a save releases.
  var maySave: Bool {
    switch exchange?.step {
    case nil: phase == .running || phase == .stopping
    case .saving: true
    case .claiming, .refreshing, .authorizing: false
    }
  }

  /// The store's response to `.save` of `token`.
  mutating func saved(_ result: Result<SaveOutcome, StoreError>, of token: Token, at time: ClockReading) {
    defer { settle(at: time) }
    endJob(result, at: time)
    // The save has released the lease.
    if case .success = result { row.dropLease() }
    switch result {
    case .success(.saved(let pair)): saved(pair, at: time)
    case .success(.lost(let winner)) where winner.token.access == token.access && winner.token.refresh == token.refresh:
      // An earlier attempt succeeded although its response was lost.
      saved(winner, at: time)
    case .success(.lost(let winner)): lost(to: winner, at: time)
    case .success(.leased(let rest)):
      // This process stood still for too long. The lease holder's pair is waited for; this pair is saved if none comes.
      work.save(at: row.isOutdated ? time.now : time.now + pause(rest))
      if phase == .stopping {
        useUnsaved(at: time)
        work.save(at: .distantFuture)
      }
    case .failure: saveFailed(at: time)
    }
  }

  private mutating func saved(_ pair: StoredPair, at time: ClockReading) {
    row.see(pair, asked: work.started)
    work.saved(pair.token)
    if current?.token.access == pair.token.access { current?.isDetached = false }
    if case .saving(var fresh) = exchange?.step, fresh.token.access == pair.token.access {
      fresh.isDetached = false
      finish(with: fresh, at: time)
    }
  }

  /// Another process wrote first. A pair that is not in use yet gives way, since the upstream may have voided it by issuing the
  /// other one. Of a detached pair and the stored one, the one that expires last wins.
  private mutating func lost(to winner: StoredPair, at time: ClockReading) {
    learn(winner)
    guard maySave else {
      // An exchange is on its way to a newer pair, and may find that it is needless.
      if isClaiming { _ = useStoredPair(at: time) }
      return
    }
    let stored = TimedToken.stored(winner.token, until: row.expires, at: time, timing: timing)
    var (lastWins, isOursGood) = (true, current?.isUsable(time.now) == true)
    if case .saving(let fresh) = exchange?.step { (lastWins, isOursGood) = (fresh.isDetached, true) }
    let isOursLater = lastWins && isOursGood && winner.token.expiresAt < work.unsaved?.expiresAt ?? .min
    if stored.isUsable(time.now), isNew(stored.token), !isOursLater { return finish(withStored: stored, at: time) }
    // Otherwise `settle` saves again, now in place of the winner.
    if work.lostSave() { saveFailed(at: time) }
  }

  private mutating func saveFailed(at time: ClockReading) {
    work.save(at: timing.next(time.now, in: TokenTiming.storeRetryInterval))
    useUnsaved(at: time)
  }

  /// Uses the new token without waiting for the store, which fails or is overdue.
  mutating func useUnsaved(at time: ClockReading) {
    if case .saving(let fresh) = exchange?.step { finish(with: fresh, at: time) }
  }
}
