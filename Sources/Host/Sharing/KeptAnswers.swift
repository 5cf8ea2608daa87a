import AdapterAPI

/// The answers of one stripe that are kept for a while. No lock, no clock.
///
/// Bounded by `CacheMemory`. What has to go is chosen by second chance: a hand goes round, and passes over what was asked for since
/// it came by last. The same round finds what has expired.
struct KeptAnswers {
  private struct Entry {
    let key: ReadKey
    let answer: HeldAnswer
    let epoch: UInt64
    /// When its call began, and when its answer was there.
    let began: Instant
    let arrived: Instant
    /// When it goes by itself.
    let ends: Instant
    let size: Int
    /// A refresh that failed is not repeated before.
    var refreshFrom: Instant
    var wasAsked = false
  }

  enum Look {
    case nothing
    case fresh(HeldAnswer, age: Int64)
    /// - wantsRefresh: a refresh may be tried.
    case stale(HeldAnswer, age: Int64, wantsRefresh: Bool)
    /// For somebody who can't have a newer one.
    case old(HeldAnswer, age: Int64)
  }

  private let memory: CacheMemory
  private var entries: [Entry?] = []
  private var places: [ReadKey: Int] = [:]
  private var free: [Int] = []
  private var hand = 0

  /// How long after a failed refresh the next one is tried.
  static let refreshPause: Int64 = 1_000_000_000
  /// What the tables take for one answer, roughly.
  static let overhead = 512

  init(_ memory: CacheMemory) { self.memory = memory }

  var count: Int { places.count }
  var isEmpty: Bool { places.isEmpty }

  /// What is there for this key. What was asked of the upstream before its writes were settled is not.
  mutating func look(_ key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, now: Instant) -> Look {
    guard let place = places[key], let entry = entries[place] else { return .nothing }
    guard entry.epoch >= view.number, entry.ends > now else {
      remove(at: place)
      return .nothing
    }
    // Loops look at their clocks once a turn, so that one may be a little behind another.
    let age = max(0, now.nanoseconds - entry.arrived.nanoseconds)
    guard entry.epoch == view.number, entry.began >= view.settledFrom, age < policy.kept else { return .nothing }
    entries[place]?.wasAsked = true
    if age < policy.cache { return .fresh(entry.answer, age: age) }
    if age >= policy.life { return .old(entry.answer, age: age) }
    return .stale(entry.answer, age: age, wantsRefresh: now >= entry.refreshFrom)
  }

  /// Keeps a flight's answer, in the place of an older one; nil where there is no room for it among the others.
  mutating func keep(_ response: AdapterResponse, of flight: Flight, now: Instant) -> HeldAnswer? {
    if let place = places[flight.key] { remove(at: place) }
    let size =
      flight.key.size + response.fields.bytes.capacity + response.body.prefix.capacity + KeptAnswers.overhead
    var taken = memory.take(size)
    while taken == nil {
      guard size <= memory.limit, dropOne() else { return nil }
      taken = memory.take(size)
    }
    let answer = HeldAnswer(response: response, charge: taken)
    let entry = Entry(
      key: flight.key, answer: answer, epoch: flight.epoch, began: flight.began, arrived: now,
      ends: now.advanced(byNanoseconds: flight.policy.kept), size: size, refreshFrom: now)
    let place = free.popLast() ?? entries.count
    if place == entries.count { entries.append(entry) } else { entries[place] = entry }
    places[flight.key] = place
    return answer
  }

  /// A refresh brought nothing that can be kept: the previous answer stays for its time.
  mutating func refreshFailed(_ key: ReadKey, now: Instant) {
    guard let place = places[key] else { return }
    entries[place]?.refreshFrom = now.advanced(byNanoseconds: KeptAnswers.refreshPause)
  }

  /// Drops what has not been asked for lately; false when there is nothing to drop.
  mutating func dropOne() -> Bool {
    guard !isEmpty else { return false }
    while true {
      hand = hand + 1 < entries.count ? hand + 1 : 0
      guard let entry = entries[hand] else { continue }
      guard entry.wasAsked else {
        remove(at: hand)
        return true
      }
      entries[hand]?.wasAsked = false
    }
  }

  /// Drops what has expired.
  mutating func sweep(now: Instant) { removeAll { $0.ends <= now } }

  /// Drops what belongs to an adapter.
  mutating func forget(adapter: Int) { removeAll { $0.key.adapter == adapter } }

  private mutating func removeAll(where isOver: (Entry) -> Bool) {
    for place in entries.indices {
      if let entry = entries[place], isOver(entry) { remove(at: place) }
      if isEmpty { return }
    }
  }

  private mutating func remove(at place: Int) {
    guard let entry = entries[place] else { return }
    entries[place] = nil
    free.append(place)
    places[entry.key] = nil
    memory.giveBack(entry.size)
    // Nothing is left: neither are the tables.
    if isEmpty { self = KeptAnswers(memory) }
  }
}
