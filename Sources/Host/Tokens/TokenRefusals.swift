import AdapterAPI

/// The upstream's refusals: the tokens that must not be used again, and the wait before the next exchange.
struct TokenRefusals: Sendable {
  /// After a failed exchange, or after too many tokens that were refused early.
  private var backoff = TokenBackoff()
  /// The error of the last exchange; nil after a successful one.
  private var failure: AdapterError?
  /// The pair that the last refresh started from. Its refresh token is spent.
  private var spent: Token?
  private var refusedRefresh: String?
  private var refusedAccess: String?
  /// The number of tokens in a row that were refused early.
  private var earlyRefusals = 0
  /// The wall clock's time (milliseconds since the epoch) since which exchanges fail; nil after a successful one.
  private(set) var failingSince: Int64?

  // MARK: Exchanges

  /// The earliest time of the next exchange.
  var notBefore: Instant { backoff.notBefore }

  mutating func refreshStarts(from token: Token) { spent = token }

  mutating func exchangeSucceeded() {
    failure = nil
    failingSince = nil
    // After too many early refusals the doubling continues: the next refusal is likely.
    if earlyRefusals <= TokenTiming.toleratedRefusals { backoff.reset() }
  }

  mutating func exchangeFailed(_ error: AdapterError, at time: ClockReading) {
    failure = error
    backoff.fail(time.now, atLeast: error.retryAfter ?? .zero)
    failingSince = failingSince ?? time.wall
  }

  /// The error for callers while no exchange may start.
  func error(_ now: Instant) -> KeeperError {
    KeeperError(
      .noToken, retryAfter: max(backoff.rest(now), .seconds(1)),
      detail: failure.map { "\($0)" } ?? "the upstream refuses the tokens that it issues")
  }

  // MARK: Refresh tokens

  /// The newest known refresh token was refused: only authorizing helps, or another process's pair.
  var mustAuthorize: Bool { refusedRefresh != nil }

  mutating func refreshRefused(_ token: Token) { refusedRefresh = token.refresh }

  /// There is a newer pair than the one whose refresh token was refused.
  mutating func newPair(_ token: Token) {
    if token.refresh != refusedRefresh { refusedRefresh = nil }
  }

  mutating func obtained() { refusedRefresh = nil }

  // MARK: Access tokens

  /// Counts a refused access token.
  ///
  /// - Returns: the number of early refusals in a row when the next exchange has to wait because of them; else nil.
  mutating func accessRefused(_ refused: TimedToken, duringExchange: Bool, at time: ClockReading) -> Int? {
    refusedAccess = refused.token.access
    guard !refused.isProven, time.now - refused.received < TokenTiming.earlyRefusalAge else {
      earlyRefusals = 0
      return nil
    }
    earlyRefusals += 1
    // An upstream that refuses every token it issues must not be asked for ever more of them.
    guard earlyRefusals > TokenTiming.toleratedRefusals, !duringExchange else { return nil }
    backoff.fail(time.now)
    failingSince = failingSince ?? time.wall
    return earlyRefusals
  }

  mutating func accessAccepted() {
    earlyRefusals = 0
    backoff.reset()
  }

  /// Returns whether a stored token is another process's: not the current one, not the one that was refreshed last, not the
  /// refused one.
  func isNew(_ token: Token, besides current: Token?) -> Bool {
    func isKnown(_ known: Token?) -> Bool {
      guard let known else { return false }
      // An upstream may issue the same access token again, with a later expiry.
      return known.access == token.access && token.expiresAt <= known.expiresAt
    }
    return !isKnown(current) && !isKnown(spent) && token.access != refusedAccess
  }
}
