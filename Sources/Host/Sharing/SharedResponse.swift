import AdapterAPI

/// The response to a reading request. Several requests and the response cache may hold it at once.
struct SharedResponse: Sendable {
  var response: AdapterResponse
  /// Counts a long body once in the server's memory, until the last holder lets go of it. Nil: it is still arriving, or short, or
  /// this request's alone.
  var charge: MemoryCharge?
  /// Nil: from a call to the upstream.
  var cached: Cached?

  struct Cached: Sendable {
    var isStale: Bool
    /// Whole seconds.
    var age: Int
  }

  init(_ response: AdapterResponse, charge: MemoryCharge? = nil) {
    self.response = response
    self.charge = charge
  }

  /// Returns the response as one from the cache.
  ///
  /// - Parameter age: in nanoseconds.
  func cached(age: Int64, isStale: Bool) -> SharedResponse {
    var copy = self
    copy.cached = Cached(isStale: isStale, age: Int(age / 1_000_000_000))
    return copy
  }

  /// `X-Gateway-Source`. Only `live` is replaced by `cache` or `stale`: that a value is not real is also said of a cached one.
  ///
  /// - Parameter source: the adapter's own.
  func source(_ source: String) -> String {
    guard let cached, source == "live" else { return source }
    return cached.isStale ? "stale" : "cache"
  }
}
