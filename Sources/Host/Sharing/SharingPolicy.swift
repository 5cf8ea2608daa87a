import AdapterAPI

/// The way in which the reading requests of a route share upstream calls. All times are in nanoseconds.
struct SharingPolicy: Sendable {
  /// The age up to which a cached response is fresh.
  var cache: Int64
  /// The time after that for which it is used while one request fetches the next.
  var stale: Int64
  /// The time after a write for which the upstream may still show the value before.
  var settle: Int64
  /// The time after that for which it is stored, because the upstream's budget may allow no call.
  var reserve: Int64

  /// The reserve where the adapter has a budget: the longest time for which a budget may refuse calls.
  static let budgetReserve: Int64 = 86_400_000_000_000

  /// Nil for a route that shares nothing, as one that writes never does.
  init?(_ route: Configuration.Route, hasBudget: Bool) {
    guard route.sharesCalls else { return nil }
    self.init(
      cache: route.cache.nanoseconds, stale: route.stale.nanoseconds, settle: route.settle.nanoseconds,
      reserve: hasBudget ? SharingPolicy.budgetReserve : 0)
  }

  init(cache: Int64, stale: Int64, settle: Int64, reserve: Int64 = 0) {
    self.cache = cache
    self.stale = stale
    self.settle = settle
    self.reserve = reserve
  }

  /// Responses are cached.
  var usesCache: Bool { cache > 0 }
  /// The age up to which a response is used although the upstream may be called.
  var usableTime: Int64 { cache + stale }
  /// The age up to which a response stays in memory.
  var storageTime: Int64 { usableTime + reserve }
}
