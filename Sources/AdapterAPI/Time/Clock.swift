/// A point on the monotonic clock (CLOCK_MONOTONIC), in nanoseconds. Comparable within one process only.
public struct Instant: Sendable, Comparable, Hashable {
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static let distantFuture = Instant(nanoseconds: .max)

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Saturates, so that "no limit" stays no limit.
  public static func + (a: Instant, b: Duration) -> Instant {
    let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
    return overflow ? .distantFuture : Instant(nanoseconds: sum)
  }

  /// The same for a span that is known in nanoseconds: a `Duration` is 128 bits wide, and taking one apart costs more than a
  /// timer on the path of a request should.
  public func advanced(byNanoseconds span: Int64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(span)
    return overflow ? .distantFuture : Instant(nanoseconds: sum)
  }

  public static func - (a: Instant, b: Instant) -> Duration { .nanoseconds(a.nanoseconds - b.nanoseconds) }
}

extension Duration {
  /// The whole duration in nanoseconds, saturating at 292 years.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow2 ? .max : sum
  }

  public var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

/// Time as an adapter and the token's keeper see it; a test puts its own clock in the hand.
public protocol GatewayClock: Sendable {
  func now() -> Instant
  /// Milliseconds since the epoch.
  func wall() -> Int64
  /// - Throws: `CancellationError` when the task is cancelled first.
  func sleep(until deadline: Instant) async throws
}
