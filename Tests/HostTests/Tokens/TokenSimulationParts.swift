import AdapterAPI

@testable import Host

extension TokenSimulation {
  final class Process {
    let number: Int
    var state: TokenState
    /// Changes with every kill. It is part of the lease holder's name.
    var life = 0
    var isAlive = false
    var isFrozen = false
    var inbox: [(Process) -> Void] = []
    var tickNumber = 0
    var lastDetached: Instant?

    var holder: String { "\(number)/\(life)" }

    init(number: Int, state: TokenState) {
      self.number = number
      self.state = state
    }
  }
}

/// The row, with the rules of `TokenStore`.
struct SimulatedStore {
  var pair: StoredPair?
  var holder: String?
  var until = Instant(nanoseconds: .min)
  /// The number of successful exchanges under the current lease.
  var exchanges = 0
  var isDown = false
  var isHanging = false
  var lastTrouble: Instant?

  private func rest(_ holder: String, _ now: Instant) -> Duration? {
    self.holder != nil && self.holder != holder && until > now ? until - now : nil
  }

  mutating func claim(_ holder: String, _ seen: StoredPair?, at now: Instant) -> ClaimOutcome {
    if let pair, !pair.isUnchanged(since: seen) { return .changed(pair) }
    if let rest = rest(holder, now) { return .held(rest) }
    if self.holder != holder || until <= now { exchanges = 0 }
    self.holder = holder
    until = now + TokenTiming.lease
    return .granted
  }

  mutating func extend(_ holder: String, at now: Instant) -> Bool {
    guard self.holder == holder else { return false }
    until = now + TokenTiming.lease
    return true
  }

  mutating func release(_ holder: String) { if self.holder == holder { self.holder = nil } }

  mutating func save(_ token: Token, _ holder: String, _ old: StoredPair?, at now: Instant) -> SaveOutcome {
    if let pair, !pair.isUnchanged(since: old) {
      release(holder)
      return .lost(pair)
    }
    if let rest = rest(holder, now) { return .leased(rest) }
    let saved = StoredPair(token: token, version: (pair?.version ?? 0) + 1)
    pair = saved
    self.holder = nil
    exchanges = 0
    return .saved(saved)
  }
}

/// An upstream whose tokens live for three seconds, and whose refresh tokens are good once.
struct SimulatedUpstream {
  private(set) var authorizations = 0
  private(set) var refreshes = 0
  /// The number of refresh tokens that were used again.
  private(set) var reused = 0
  private var ends: [String: Instant] = [:]
  private var spent: Set<String> = []
  private var given = 0

  /// - Returns: false when the refresh token is refused.
  mutating func spend(_ current: Token?, at now: Instant) -> Bool {
    guard let current else {
      authorizations += 1
      return true
    }
    guard spent.insert(current.refresh).inserted else {
      reused += 1
      return false
    }
    refreshes += 1
    return true
  }

  mutating func give(wall: Int64, at now: Instant) -> Token {
    given += 1
    ends["A\(given)"] = now + .seconds(3)
    guard
      let token = try? Token(access: "A\(given)", refresh: "R\(given)", expiresAt: wall + 3000, lifetime: 3000)
    else { preconditionFailure("a simulated token is visible ASCII") }
    return token
  }

  func isSpent(_ refresh: String) -> Bool { spent.contains(refresh) }

  func isGood(_ token: Token, at now: Instant) -> Bool { ends[token.access].map { $0 > now } ?? false }
}
