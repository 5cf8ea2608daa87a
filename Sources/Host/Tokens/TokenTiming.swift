import AdapterAPI

/// Both clocks, read together.
struct ClockReading: Sendable, Equatable {
  /// Monotonic.
  var now: Instant
  /// Milliseconds since the epoch.
  var wall: Int64
}

/// The durations that govern a token's life.
struct TokenTiming: Sendable {
  /// The renewal window: how long before its expiry a token is renewed. At most half of the token's lifetime.
  var window: Duration
  /// The timeout of one exchange with the upstream.
  var exchangeTimeout: Duration
  /// Returns how much earlier than scheduled something happens, given the longest such time. Replicas spread, and the keeper
  /// renews before a caller meets the renewal window.
  var jitter: @Sendable (Duration) -> Duration

  /// The time that a caller with a valid token waits for the next one, from the exchange's start.
  static let renewalWait = Duration.seconds(1)
  /// The time that a new pair waits to be stored before it is used.
  static let storeTimeout = Duration.seconds(2)
  /// The same while the store is known to fail, and the shortest timeout of a claim.
  static let storeDownTimeout = Duration.milliseconds(500)
  /// The duration of a lease, which is extended after each third of it.
  static let lease = Duration.seconds(3)
  /// The interval between looks at the row while there is no other work at the store, and between attempts while it fails.
  static let lookInterval = Duration.seconds(3)
  static let storeRetryInterval = Duration.seconds(1)
  /// The shortest wait before the store is asked the same again.
  static let shortestPoll = Duration.milliseconds(10)
  /// The interval at which a late store is watched. An alarm that comes later than the threshold tells that the process stood still.
  static let watchInterval = Duration.milliseconds(250)
  static let stallThreshold = Duration.milliseconds(100)
  /// The time between the deadline of an exchange and its cancellation.
  static let exchangeGrace = Duration.seconds(1)
  /// A token that is refused before this age, and never was accepted, is refused early.
  static let earlyRefusalAge = Duration.seconds(1)
  /// The number of early refusals in a row after which exchanges have to wait.
  static let toleratedRefusals = 3
  /// The number of lost saves in a row after which the pair is used without being stored.
  static let toleratedLostSaves = 3
  /// The number of changes of the row after which claims of one exchange have to wait.
  static let toleratedChanges = 3
  static let defaultLifetime = Duration.seconds(2 * 60 * 60)
  static let shortestLifetime = Duration.seconds(1)
  static let longestJitter = Duration.seconds(30)
  /// The difference below which two wall clocks count as equal, in milliseconds.
  static let clockTolerance = TokenRecord.clockTolerance

  /// Returns how often a lease that another process has is claimed.
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

  /// Returns the time after `interval`, or a little earlier, so that replicas spread.
  func next(_ now: Instant, in interval: Duration) -> Instant { now + (interval - jitter(interval / 4)) }

  static let random: @Sendable (Duration) -> Duration = { .nanoseconds(Int64.random(in: 0...max($0.nanoseconds, 0))) }
}
