import AdapterAPI

/// A token with its lifetime on the monotonic clock.
struct TimedToken: Sendable, Equatable {
  let token: Token
  let received: Instant
  let expires: Instant
  /// The start of the renewal window: from here on a caller starts an exchange.
  let refreshAt: Instant
  /// A little before the renewal window, when the keeper starts an exchange by itself.
  let timerAt: Instant
  /// The upstream refused the access token. Only the refresh token is of use.
  var isRejected = false
  /// The upstream has accepted the access token at least once.
  var isProven = false
  /// Obtained without the lease while a shared store was unavailable. Until it is stored, only this process uses it.
  var isDetached = false

  func isUsable(_ now: Instant) -> Bool { !isRejected && now < expires }

  /// The time at which half of the renewal window is left. A store that is still away then is not waited for any longer.
  var lastChance: Instant { isRejected ? Instant(nanoseconds: .min) : refreshAt + (expires - refreshAt) / 2 }

  /// Returns a token just received: its whole lifetime is left, whatever the wall clocks on both sides say.
  static func fresh(_ token: Token, now: Instant, timing: TokenTiming) -> TimedToken {
    // A lifetime that is not positive means that the two wall clocks disagree. The upstream's refusal then tells the end.
    let stated = Duration.milliseconds(token.lifetime)
    let lifetime = stated <= .zero ? TokenTiming.defaultLifetime : max(stated, TokenTiming.shortestLifetime)
    return TimedToken(token, remaining: lifetime, lifetime: lifetime, now: now, timing: timing)
  }

  /// Returns a token read from the store.
  ///
  /// - Parameter end: when it expires by the store's clock; when nil, the wall clock decides.
  static func stored(
    _ token: Token, until end: Instant? = nil, at time: ClockReading, timing: TokenTiming
  ) -> TimedToken {
    let (left, overflow) = token.expiresAt.subtractingReportingOverflow(time.wall)
    var remaining = Duration.milliseconds(token.expiresAt <= time.wall ? 0 : overflow ? .max : left)
    if let end { remaining = max(.zero, end - time.now) }
    let lifetime = token.lifetime > 0 ? Duration.milliseconds(token.lifetime) : nil
    // More than the whole lifetime cannot be left: the wall clock was set back.
    if let lifetime { remaining = min(remaining, lifetime) }
    return TimedToken(token, remaining: remaining, lifetime: lifetime, now: time.now, timing: timing)
  }

  /// - Parameter lifetime: nil when it is unknown; the renewal window then has its full length.
  private init(_ token: Token, remaining: Duration, lifetime: Duration?, now: Instant, timing: TokenTiming) {
    self.token = token
    received = now
    let window = lifetime.map { min(timing.window, $0 / 2) } ?? timing.window
    expires = now + remaining
    refreshAt = expires - window
    timerAt = refreshAt - timing.jitter(min(window / 10, TokenTiming.longestJitter))
  }
}

extension Instant {
  fileprivate static func - (a: Instant, b: Duration) -> Instant {
    let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
    return Instant(nanoseconds: overflow ? .min : difference)
  }
}
