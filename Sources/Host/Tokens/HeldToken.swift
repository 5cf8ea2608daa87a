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
  /// The upstream refused its refresh token; only authorizing helps.
  var isRefreshDead = false

  func isUsable(_ now: Instant) -> Bool { !isRejected && now < expires }

  /// What a refresh can start from.
  var refreshable: Token? { isRefreshDead || token.refresh.isEmpty ? nil : token }

  /// Just received: its whole life is before it, whatever the wall clocks on both sides say.
  static func fresh(_ token: Token, now: Instant, timing: TokenTiming) -> HeldToken {
    // A life of nothing or less is two wall clocks that disagree; then the upstream's refusal has to tell the end.
    let life = token.lifetime <= 0 ? TokenTiming.unknownLife : max(.milliseconds(token.lifetime), TokenTiming.shortestLife)
    return HeldToken(token, remaining: life, lifetime: life, now: now, timing: timing)
  }

  /// From the store: only the wall clock knows how old it is.
  static func stored(_ token: Token, at time: ClockReading, timing: TokenTiming) -> HeldToken {
    let (left, overflow) = token.expiresAt.subtractingReportingOverflow(time.wall)
    var remaining = Duration.milliseconds(token.expiresAt <= time.wall ? 0 : overflow ? .max : left)
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

/// Both clocks, read together.
struct ClockReading: Sendable, Equatable {
  /// Monotonic.
  var now: Instant
  /// Milliseconds since the epoch.
  var wall: Int64
}

/// The durations that a token's life is led by.
struct TokenTiming: Sendable {
  /// How long before its end a token is renewed; never more than half of its life.
  var window: Duration
  /// How long one exchange with the upstream may take.
  var exchangeTimeout: Duration
  /// How much earlier than the window's edge the keeper acts, given the most that it may be. Replicas spread, and no caller meets
  /// the edge first.
  var jitter: @Sendable (Duration) -> Duration

  /// How long a caller whose token is still valid waits for the next one.
  static let patience = Duration.seconds(1)
  /// How long a new pair waits to be stored before it is used.
  static let storePatience = Duration.seconds(2)
  /// How long after its deadline an exchange that goes on is cancelled.
  static let exchangeGrace = Duration.seconds(1)
  /// A token refused at this age or earlier was never good.
  static let youth = Duration.seconds(1)
  /// How many of those are renewed at once, before waiting begins.
  static let freeRejections = 3
  static let unknownLife = Duration.seconds(2 * 60 * 60)
  static let shortestLife = Duration.seconds(1)
  static let longestJitter = Duration.seconds(30)
  /// Wall clocks that differ by less count as equal.
  static let clockTolerance: Int64 = 5000

  init(window: Duration, exchangeTimeout: Duration, jitter: @escaping @Sendable (Duration) -> Duration = Self.random) {
    self.window = max(window, .zero)
    self.exchangeTimeout = exchangeTimeout
    self.jitter = jitter
  }

  static let random: @Sendable (Duration) -> Duration = { .nanoseconds(Int64.random(in: 0...max($0.nanoseconds, 0))) }
}

/// Waiting that doubles from one second to one minute.
struct TokenBackoff: Sendable {
  static let first = Duration.seconds(1)
  static let longest = Duration.seconds(60)

  private var last = Duration.zero
  /// Nothing is tried before.
  private(set) var notBefore = Instant(nanoseconds: .min)

  /// - Parameter atLeast: what the other side asked for.
  mutating func fail(_ now: Instant, atLeast: Duration = .zero) {
    last = last == .zero ? Self.first : min(last * 2, Self.longest)
    notBefore = now + max(last, min(atLeast, Self.longest))
  }

  mutating func reset() { self = TokenBackoff() }

  func rest(_ now: Instant) -> Duration { notBefore <= now ? .zero : notBefore - now }
}
