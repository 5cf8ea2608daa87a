import AdapterAPI

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
  /// How much earlier than the window's edge the keeper acts, given the most that it may be. Replicas spread, and no
  /// caller meets the edge first.
  var jitter: @Sendable (Duration) -> Duration

  /// How long a caller whose token is still valid waits for the next one.
  static let patience = Duration.seconds(1)
  /// How long a new pair waits to be stored before it is used.
  static let storePatience = Duration.seconds(2)
  /// The same while the store is known to be away, and for claims that callers without any token wait for.
  static let downPatience = Duration.milliseconds(500)
  /// How long the lease of the token's row is good; it is extended every third of it.
  static let lease = Duration.seconds(3)
  /// How often the row is looked at while nothing else asks the store, and how often an away store is tried.
  static let look = Duration.seconds(3)
  static let lookWhileDown = Duration.seconds(1)
  /// The shortest wait before the store is asked the same again.
  static let shortestPoll = Duration.milliseconds(10)
  /// How often a store that answers late is watched, and how late an alarm may be before it tells that the process
  /// itself stood still.
  static let watch = Duration.milliseconds(250)
  static let stall = Duration.milliseconds(100)
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

  /// How often a lease that somebody else has is asked for.
  static func poll(_ sharing: StoreSharing) -> Duration {
    switch sharing {
    case .network: .milliseconds(250)
    case .process, .machine: .milliseconds(50)
    }
  }

  init(window: Duration, exchangeTimeout: Duration, jitter: @escaping @Sendable (Duration) -> Duration = Self.random) {
    self.window = max(window, .zero)
    self.exchangeTimeout = exchangeTimeout
    self.jitter = jitter
  }

  /// `interval` from now, or a little earlier, so that replicas spread.
  func next(_ now: Instant, in interval: Duration) -> Instant { now + (interval - jitter(interval / 4)) }

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
