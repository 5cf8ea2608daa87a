import AdapterAPI

/// The cached responses of one stripe. No lock, no clock.
///
/// Bounded by `CacheMemory`; evicted by second chance.
struct ResponseCache: ~Copyable {
  private struct Entry {
    let key: ReadKey
    let response: SharedResponse
    let epoch: UInt64
    /// The time at which its call began, and the time at which its response was complete.
    let began: Instant
    let arrived: Instant
    let expires: Instant
    let size: Int
    /// A refresh is not begun earlier, after one that failed.
    var refreshFrom: Instant
  }

  /// The result of a lookup. `age` is in nanoseconds.
  enum Lookup {
    case none
    case fresh(SharedResponse, age: Int64)
    /// - wantsRefresh: a refresh may be tried.
    case stale(SharedResponse, age: Int64, wantsRefresh: Bool)
    /// Older than the route allows; for a request that can't have a newer one.
    case reserve(SharedResponse, age: Int64)
  }

  private let memory: CacheMemory
  private var entries = ClockCache<Entry>()

  /// The time between a failed refresh and the next one, in nanoseconds.
  static let refreshPause: Int64 = 1_000_000_000
  /// The approximate size of the tables for one response, in bytes.
  static let overhead = 512

  init(_ memory: CacheMemory) { self.memory = memory }

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }

  private borrowing func index(of key: ReadKey) -> Int? { entries.find(key.hash) { $0.key == key } }

  /// Returns the response for a key, unless a write may have changed it since its call began.
  mutating func find(_ key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, now: Instant) -> Lookup {
    guard let index = index(of: key) else { return .none }
    let entry = entries[index]
    guard entry.epoch >= view.number, entry.expires > now else {
      remove(at: index)
      return .none
    }
    // Each loop reads the clock once a turn, so one may be a little behind another.
    let age = max(0, now.nanoseconds - entry.arrived.nanoseconds)
    guard entry.epoch == view.number, entry.began >= view.settledFrom, age < policy.storageTime else { return .none }
    if age < policy.cache { return .fresh(entry.response, age: age) }
    if age >= policy.usableTime { return .reserve(entry.response, age: age) }
    return .stale(entry.response, age: age, wantsRefresh: now >= entry.refreshFrom)
  }

  /// Stores a call's response in place of an older one. Returns nil when this stripe has no room for it.
  mutating func store(_ response: AdapterResponse, of call: InFlightCall, now: Instant) -> SharedResponse? {
    if let index = index(of: call.key) { remove(at: index) }
    let size =
      call.key.size + response.fields.bytes.capacity + response.body.prefix.capacity + ResponseCache.overhead
    var taken = memory.take(size)
    while taken == nil {
      guard size <= memory.limit, evictOne() else { return nil }
      taken = memory.take(size)
    }
    let shared = SharedResponse(response, charge: taken)
    entries.insert(
      call.key.hash,
      Entry(
        key: call.key, response: shared, epoch: call.epoch, began: call.began, arrived: now,
        expires: now.advanced(byNanoseconds: call.policy.storageTime), size: size, refreshFrom: now))
    return shared
  }

  /// Postpones the next refresh: the last one brought no response that can be cached.
  mutating func refreshFailed(_ key: ReadKey, now: Instant) {
    guard let index = index(of: key) else { return }
    entries[index].refreshFrom = now.advanced(byNanoseconds: ResponseCache.refreshPause)
  }

  /// Evicts a response that was not used lately; false when the cache is empty.
  mutating func evictOne() -> Bool {
    guard let evicted = entries.evictOne() else { return false }
    removed(evicted)
    return true
  }

  /// Removes the expired responses.
  mutating func removeExpired(now: Instant) { removeAll { $0.expires <= now } }

  /// Removes the responses of an adapter instance.
  mutating func removeAll(of adapter: Int) { removeAll { $0.key.adapter == adapter } }

  private mutating func removeAll(where isOver: (Entry) -> Bool) {
    for index in (0..<entries.count).reversed() where isOver(entries[index]) { remove(at: index) }
  }

  private mutating func remove(at index: Int) { removed(entries.remove(at: index)) }

  private mutating func removed(_ entry: Entry) {
    memory.giveBack(entry.size)
    // Releases the tables' capacity when the cache is empty.
    if entries.isEmpty { entries = ClockCache() }
  }
}
