import AdapterAPI

/// How a route's reading requests share upstream calls. Spans are nanoseconds, a day at the most.
struct SharingPolicy: Sendable {
  /// How long an answer is reused.
  var cache: Int64
  /// How much longer it is given while one request fetches the next.
  var stale: Int64
  /// How long after a write the upstream may still show what was before.
  var settle: Int64
  /// How much longer an answer is kept for times in which the upstream may not be asked.
  var reserve: Int64

  /// How long that is where the adapter has a budget: as long as the longest that a budget may refuse.
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

  /// Answers are kept.
  var keeps: Bool { cache > 0 }
  /// How long an answer is given without asking whether the upstream may be called.
  var life: Int64 { cache + stale }
  /// How long an answer stays in memory.
  var kept: Int64 { life + reserve }
}

/// An answer that several may hold at once. It counts in the server's memory once, until the last of them has let it go.
struct HeldAnswer: Sendable {
  var response: AdapterResponse
  /// Nil: it is still arriving, or counts where it is sent from.
  var charge: MemoryCharge?
}

/// A reading request's answer, and what the caller is told of where it came from.
struct SharedRead: Sendable {
  var response: AdapterResponse
  /// Nil: the answer is this request's alone.
  var charge: MemoryCharge?
  /// Nil: from a call to the upstream, this request's own or one that it joined.
  var kept: Kept?

  struct Kept: Sendable {
    var isStale: Bool
    /// Whole seconds.
    var age: Int
  }

  init(_ response: AdapterResponse) { self.response = response }

  init(_ answer: HeldAnswer, kept: Kept? = nil) {
    response = answer.response
    charge = answer.charge
    self.kept = kept
  }

  /// `X-Gateway-Source`. That nothing real stands behind an answer is said of a kept one too: only `live` is replaced.
  func source(of adapter: AdapterInstance) -> String {
    guard let kept, adapter.source == "live" else { return adapter.source }
    return kept.isStale ? "stale" : "cache"
  }
}
