import AdapterAPI

/// The token's row as this process saw it last: the stored pair, the lease, and the version that another process announced.
struct StoredRow: Sendable {
  /// The lease as far as this process knows; the store decides.
  private struct Lease: Sendable {
    /// By this process's clock, counted from the request: the store's own end is not earlier.
    var until: Instant
    var extendAt: Instant
  }

  private(set) var pair: StoredPair?
  /// The expiry of the stored token by the store's clock; nil when only the token itself tells.
  private(set) var expires: Instant?
  private var announced: Int64?
  private var lease: Lease?

  // MARK: The pair

  /// - Parameter asked: when the read was started.
  mutating func see(_ pair: StoredPair?, asked: Instant) {
    self.pair = pair
    expires = pair?.left.map { asked + $0 }
  }

  /// Another process has stored a newer version than the one seen.
  var isOutdated: Bool { announced.map { $0 > pair?.version ?? 0 } ?? false }

  mutating func announce(_ version: Int64) { announced = max(announced ?? version, version) }

  /// Forgets the announced version: the row is about to be read.
  mutating func forgetAnnouncement() { announced = nil }

  // MARK: The lease

  var isLeased: Bool { lease != nil }
  var leaseEnd: Instant? { lease?.until }
  var extendAt: Instant? { lease?.extendAt }

  /// - Parameter asked: when the lease was requested.
  /// - Returns: false for a response that is older than the lease lasts: this process stood still.
  mutating func grantLease(asked: Instant, now: Instant) -> Bool {
    let granted = Lease(until: asked + TokenTiming.lease, extendAt: asked + TokenTiming.lease / 3)
    lease = granted.until > now ? granted : nil
    return lease != nil
  }

  mutating func startExtension(_ now: Instant) { lease?.extendAt = now + TokenTiming.lease / 3 }
  mutating func extendLease(asked: Instant) { lease?.until = asked + TokenTiming.lease }
  mutating func dropLease() { lease = nil }
}
