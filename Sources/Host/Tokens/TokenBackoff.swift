import AdapterAPI

/// A wait that doubles from one second to one minute.
struct TokenBackoff: Sendable {
  private static let first = Duration.seconds(1)
  private static let longest = Duration.seconds(60)

  private var last = Duration.zero
  /// The earliest time of the next attempt.
  private(set) var notBefore = Instant(nanoseconds: .min)

  /// - Parameter minimum: the wait that the upstream asked for.
  mutating func fail(_ now: Instant, atLeast minimum: Duration = .zero) {
    last = last == .zero ? Self.first : min(last * 2, Self.longest)
    notBefore = now + max(last, min(minimum, Self.longest))
  }

  mutating func reset() { self = TokenBackoff() }

  /// The rest of the wait.
  func rest(_ now: Instant) -> Duration { notBefore <= now ? .zero : notBefore - now }
}
