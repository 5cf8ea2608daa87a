/// A moment on the monotonic clock (CLOCK_MONOTONIC). Comparable within one process only.
public struct Instant: Sendable, Comparable, Hashable {
  /// Nanoseconds since an arbitrary start.
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Later than any other moment: no deadline.
  public static let distantFuture = Instant(nanoseconds: .max)

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Saturates at `distantFuture`.
  public static func + (a: Instant, b: Duration) -> Instant { a.advanced(byNanoseconds: b.nanoseconds) }

  /// Returns the moment `span` nanoseconds later; saturates at `distantFuture`.
  ///
  /// For the path of each request: a `Duration` is 128 bits wide, and taking one apart costs more than a timer should.
  public func advanced(byNanoseconds span: Int64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(span)
    return overflow ? .distantFuture : Instant(nanoseconds: sum)
  }

  public static func - (a: Instant, b: Instant) -> Duration { .nanoseconds(a.nanoseconds - b.nanoseconds) }
}

extension Duration {
  /// The whole nanoseconds; saturates at 292 years.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow2 ? .max : sum
  }

  /// The whole milliseconds; saturates at 292 years.
  public var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

/// The time as an adapter and the token exchange see it. Tests use a clock of their own. May be used on any thread.
public protocol GatewayClock: Sendable {
  /// The present moment on the monotonic clock.
  func now() -> Instant
  /// Milliseconds since the epoch, by the machine's clock.
  func wall() -> Int64
  /// Returns at the deadline, at once when it has passed. Blocks no thread.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  func sleep(until deadline: Instant) async throws
}
