import AdapterAPI

/// The store's part: loading, saving, losing a race, being down.
extension TokenState {
  var isStoreDawdling: Bool { storeJob != nil && storeDue == nil }

  /// Another process has stored something newer than what is known here.
  var isHinted: Bool { hinted.map { $0 > base?.version ?? 0 } ?? false }

  mutating func start(at time: ClockReading) {
    guard phase == .new else { return }
    phase = .loading
    startLoad(at: time)
  }

  mutating func startJob(_ job: StoreJob, patience: Duration = TokenTiming.storePatience, at time: ClockReading) {
    storeJob = job
    storeStarted = time.now
    storeWatched = time.now
    storeDue = time.now + patience
  }

  /// - Returns: when the job that has ended was started.
  mutating func endJob() -> Instant {
    storeJob = nil
    storeDue = nil
    lookAt = nil
    return storeStarted
  }

  /// What the job that has just ended has seen.
  private mutating func setBase(_ pair: StoredPair?) {
    base = pair
    baseUntil = pair?.left.map { storeStarted + $0 }
  }

  private mutating func startLoad(at time: ClockReading) {
    hinted = nil
    startJob(.load, at: time)
    act(.load)
  }

  // MARK: What others stored

  /// Another process says that it stored that version.
  mutating func noticed(_ version: Int64, at time: ClockReading) {
    hinted = max(hinted ?? version, version)
    if isHinted {
      claimAt = min(claimAt, time.now)
      saveAt = min(saveAt, time.now)
    }
    settle(at: time)
  }

  /// Looks at the row, so that a message that got lost costs seconds, and a store that is back is noticed. With a pair
  /// to be saved the saving does that.
  mutating func look(at time: ClockReading) {
    guard phase == .running, exchange == nil, storeJob == nil, unsaved == nil else { return }
    if lookAt == nil {
      lookAt = timing.next(time.now, in: storeDownSince == nil ? TokenTiming.look : TokenTiming.lookWhileDown)
    }
    if isHinted || (sharing != .process && lookAt.map { $0 <= time.now } == true) { startLoad(at: time) }
  }

  /// Not what this process had, renewed or was refused itself.
  func isNews(_ token: Token) -> Bool {
    func isKnown(_ known: Token?) -> Bool {
      guard let known else { return false }
      // An upstream may give the same access token again, for longer.
      return known.access == token.access && token.expiresAt <= known.expiresAt
    }
    return !isKnown(held?.token) && !isKnown(renewed) && token.access != refusedAccess
  }

  /// The stored pair takes the place of the one in hand: of two that are good, the one that expires last wins.
  private func isBetter(_ theirs: HeldToken, _ now: Instant) -> Bool {
    guard theirs.isUsable(now), isNews(theirs.token) else { return false }
    guard let held, held.isUsable(now) else { return true }
    return theirs.token.expiresAt >= held.token.expiresAt
  }

  /// Remembers what stands in the store. What is news there makes up for a refresh token that was refused, and for an
  /// unsaved pair that does not expire later.
  mutating func learn(_ pair: StoredPair) {
    setBase(pair)
    guard isNews(pair.token) else { return }
    if pair.token.refresh != deadRefresh { deadRefresh = nil }
    if case .saving = exchange?.step { return }
    if let ours = unsaved, pair.token.expiresAt >= ours.expiresAt { unsaved = nil }
  }

  /// Before an exchange: uses what somebody else stored, as far as it is good.
  ///
  /// - Returns: whether it made the exchange needless.
  mutating func takeOver(at time: ClockReading) -> Bool {
    guard let stored = base?.token, isNews(stored) else { return false }
    let theirs = HeldToken.stored(stored, until: baseUntil, at: time, timing: timing)
    if theirs.isUsable(time.now), time.now < theirs.refreshAt {
      adoptTheirs(theirs, at: time)
      return true
    }
    if isBetter(theirs, time.now) {
      unsaved = nil
      hold(theirs, at: time)
    }
    return false
  }

  private mutating func adoptTheirs(_ theirs: HeldToken, at time: ClockReading) {
    unsaved = nil
    lostSaves = 0
    act(.emit(.adopted))
    act(.log(.info, "Another process has renewed the token; its pair is used", detail: ""))
    adopt(theirs, at: time)
  }

  /// The store answered a `.load`.
  mutating func loaded(_ result: Result<StoredPair?, StoreError>, at time: ClockReading) {
    defer { settle(at: time) }
    _ = endJob()
    switch result {
    case .success(let found):
      setStoreDown(nil, at: time)
      // What was obtained meanwhile is stored over what was known when it was asked for, or not at all.
      if exchange == nil || isClaiming { look(found, at: time) }
    case .failure(let error): setStoreDown(error, at: time)
    }
    if phase == .loading { phase = .running }
  }

  private mutating func look(_ found: StoredPair?, at time: ClockReading) {
    let known = base
    setBase(found)
    guard let found, !found.isUnchanged(since: known) else { return }
    learn(found)
    let theirs = HeldToken.stored(found.token, until: baseUntil, at: time, timing: timing)
    if isClaiming {
      _ = takeOver(at: time)
    } else if phase == .loading {
      held = theirs
      if theirs.isUsable(time.now) { hold(theirs, at: time) }
    } else if isBetter(theirs, time.now) {
      adoptTheirs(theirs, at: time)
    }
  }

  // MARK: Saving

  /// Saves what waits for it: what an exchange obtained, or what is in use already.
  mutating func save(at time: ClockReading) {
    guard let token = unsaved, storeJob == nil, saveAt <= time.now, maySave else { return }
    hinted = nil
    startJob(.save(token), at: time)
    act(.save(token, replacing: base))
  }

  /// While an exchange is on its way to a newer pair, the older one is not worth the lease that saving gives back.
  var maySave: Bool {
    switch exchange?.step {
    case nil: phase == .running || phase == .stopping
    case .saving: true
    case .claiming, .refreshing, .authorizing: false
    }
  }

  /// The store answered a `.save` of `token`.
  mutating func saved(_ result: Result<SaveOutcome, StoreError>, of token: Token, at time: ClockReading) {
    defer { settle(at: time) }
    _ = endJob()
    // A save that was decided on gave the lease back.
    if case .success = result { lease = nil }
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
    case .success(.leased(let rest)):
      // This process stood still for too long: the other one's pair is waited for, unless it gives up.
      setStoreDown(nil, at: time)
      saveAt = isHinted ? time.now : time.now + pause(rest)
      if phase == .stopping {
        adoptUnsaved(at: time)
        saveAt = .distantFuture
      }
    case .failure(let error):
      setStoreDown(error, at: time)
      saveFailed(at: time)
    }
  }

  private mutating func kept(_ pair: StoredPair, at time: ClockReading) {
    setBase(pair)
    lostSaves = 0
    // A still newer one may have come meanwhile.
    if unsaved?.access == pair.token.access { unsaved = nil }
    if held?.token.access == pair.token.access { held?.isDetached = false }
    if case .saving(var fresh) = exchange?.step, fresh.token.access == pair.token.access {
      fresh.isDetached = false
      adopt(fresh, at: time)
    }
  }

  /// Somebody else wrote first. A pair that nobody uses yet gives way to theirs, since the upstream may have made it
  /// void by giving theirs; of one that is in use since the store was away, the one that expires last wins.
  private mutating func lost(to winner: StoredPair, at time: ClockReading) {
    learn(winner)
    guard maySave else {
      // An exchange is on its way to a newer pair; it may see that there is one.
      if isClaiming { _ = takeOver(at: time) }
      return
    }
    let theirs = HeldToken.stored(winner.token, until: baseUntil, at: time, timing: timing)
    var (lastWins, isOursGood) = (true, held?.isUsable(time.now) == true)
    if case .saving(let fresh) = exchange?.step { (lastWins, isOursGood) = (fresh.isDetached, true) }
    let isOursLater = lastWins && isOursGood && winner.token.expiresAt < unsaved?.expiresAt ?? .min
    if theirs.isUsable(time.now), isNews(theirs.token), !isOursLater { return adoptTheirs(theirs, at: time) }
    lostSaves += 1
    // `settle` saves again, now in the place of the winner.
    if lostSaves >= 3 { saveFailed(at: time) }
  }

  private mutating func saveFailed(at time: ClockReading) {
    saveAt = timing.next(time.now, in: TokenTiming.lookWhileDown)
    adoptUnsaved(at: time)
  }

  /// The store fails or dawdles: the token is used without it.
  mutating func adoptUnsaved(at time: ClockReading) {
    if case .saving(let fresh) = exchange?.step { adopt(fresh, at: time) }
  }
}
