import AdapterAPI

/// A token with its life on the monotonic clock.
struct HeldToken: Sendable, Equatable {
  let token: Token
  let received: Instant
  let expires: Instant
  /// The window's edge: from here on a caller asks for a new one.
  let refreshAt: Instant
  /// A little before the edge: when the keeper asks by itself.
  let timerAt: Instant
  /// The upstream refused it; it is kept for its refresh token only.
  var isRejected = false
  /// The upstream has accepted it at least once.
  var isProven = false
  /// Authorized without the lease while a store that others share was away; this process's alone until it is stored.
  var isDetached = false

  func isUsable(_ now: Instant) -> Bool { !isRejected && now < expires }

  /// Until when an away store is waited for before this token is replaced without it: half of the window is left.
  var lastChance: Instant { isRejected ? Instant(nanoseconds: .min) : refreshAt + (expires - refreshAt) / 2 }

  /// Just received: its whole life is before it, whatever the wall clocks on both sides say.
  static func fresh(_ token: Token, now: Instant, timing: TokenTiming) -> HeldToken {
    // A life of nothing or less is two wall clocks that disagree; then the upstream's refusal has to tell the end.
    let said = Duration.milliseconds(token.lifetime)
    let life = said <= .zero ? TokenTiming.unknownLife : max(said, TokenTiming.shortestLife)
    return HeldToken(token, remaining: life, lifetime: life, now: now, timing: timing)
  }

  /// From the store.
  ///
  /// - Parameter end: when it ends, as far as the store's clock tells; else the wall clock has to say how old it is.
  static func stored(_ token: Token, until end: Instant? = nil, at time: ClockReading, timing: TokenTiming) -> HeldToken
  {
    let (left, overflow) = token.expiresAt.subtractingReportingOverflow(time.wall)
    var remaining = Duration.milliseconds(token.expiresAt <= time.wall ? 0 : overflow ? .max : left)
    if let end { remaining = max(.zero, end - time.now) }
    let lifetime = token.lifetime > 0 ? Duration.milliseconds(token.lifetime) : remaining
    // More than its whole life can't be left: the wall clock was set back.
    remaining = min(remaining, lifetime)
    return HeldToken(token, remaining: remaining, lifetime: lifetime, now: time.now, timing: timing)
  }

  private init(_ token: Token, remaining: Duration, lifetime: Duration, now: Instant, timing: TokenTiming) {
    self.token = token
    received = now
    let window = min(timing.window, lifetime / 2)
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
