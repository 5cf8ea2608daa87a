import AdapterAPI

/// The work at the store: the job under way, the token pair to be saved, and the earliest time of each retry.
///
/// At most one job is under way. A job that outlasts its timeout is overdue: its result still counts, but no caller waits for it
/// any longer.
struct StoreWork: Sendable {
  enum Job: Sendable, Equatable {
    case load, claim, extend, release
    case save(Token)
  }

  private(set) var job: Job?
  /// The start of the job under way, or of the last one.
  private(set) var started = Instant(nanoseconds: .min)
  /// The time at which the job becomes overdue; nil when it already is, or when there is none.
  private var due: Instant?
  /// The last time at which an alarm found the job under way.
  private var watched = Instant(nanoseconds: .min)

  /// A pair that the upstream gave and the store does not have yet.
  private(set) var unsaved: Token?
  /// The number of saves in a row that another process's write defeated.
  private var lostSaves = 0
  /// The earliest times of the next claim and the next save.
  private(set) var claimAt = Instant(nanoseconds: .min)
  private var saveAt = Instant(nanoseconds: .min)
  /// The time at which the row is read next; nil: not decided since the last job.
  private(set) var lookAt: Instant?

  /// The wall clock's time (milliseconds since the epoch) since which the store fails; nil while it works.
  private(set) var downSince: Int64?

  // MARK: The job

  var isIdle: Bool { job == nil }
  var isOverdue: Bool { job != nil && due == nil }

  mutating func start(_ job: Job, timeout: Duration = TokenTiming.storeTimeout, at now: Instant) {
    self.job = job
    started = now
    watched = now
    due = now + timeout
  }

  mutating func end() {
    job = nil
    due = nil
    lookAt = nil
  }

  /// Makes the job overdue at `instant` at the latest.
  mutating func limit(to instant: Instant) { due = due.map { min($0, instant) } }

  /// The time at which `watch` has to be called next.
  var alarm: Instant? { due.map { min($0, watched + TokenTiming.watchInterval) } }

  /// Postpones the end of the timeout by the time in which the process did not run: the result may be here, unread.
  ///
  /// - Parameter expected: the time for which the alarm was set.
  /// - Returns: whether the job has become overdue.
  mutating func watch(_ now: Instant, expected: Instant?) -> Bool {
    guard job != nil else { return false }
    if let expected, expected + TokenTiming.stallThreshold <= now {
      due = max(due.map { $0 + (now - expected) } ?? now, now + TokenTiming.watchInterval)
    }
    watched = now
    guard let due, due <= now else { return false }
    self.due = nil
    return true
  }

  // MARK: Claims and looks

  mutating func claim(at instant: Instant) { claimAt = instant }

  /// Lets the next claim and the next save start at once.
  mutating func hurry(_ now: Instant) {
    claimAt = min(claimAt, now)
    saveAt = min(saveAt, now)
  }

  mutating func look(at instant: Instant) { lookAt = instant }

  // MARK: The unsaved pair

  mutating func setUnsaved(_ token: Token, at now: Instant) {
    unsaved = token
    lostSaves = 0
    saveAt = now
  }

  mutating func discardUnsaved() {
    unsaved = nil
    lostSaves = 0
  }

  /// Discards the unsaved pair if it is the one that was saved. A newer one may have come meanwhile.
  mutating func saved(_ token: Token) {
    lostSaves = 0
    if unsaved?.access == token.access { unsaved = nil }
  }

  mutating func save(at instant: Instant) { saveAt = instant }

  /// Counts a save that another process's write defeated.
  ///
  /// - Returns: whether there were too many of them in a row.
  mutating func lostSave() -> Bool {
    lostSaves += 1
    return lostSaves >= TokenTiming.toleratedLostSaves
  }

  /// The time from which the unsaved pair can be saved; nil when there is none, or when another job is under way.
  var nextSave: Instant? { unsaved != nil && job == nil ? saveAt : nil }

  // MARK: Availability

  /// - Returns: whether the store's state has changed.
  mutating func setDown(_ isDown: Bool, wall: Int64) -> Bool {
    guard isDown != (downSince != nil) else { return false }
    downSince = isDown ? wall : nil
    return true
  }
}
