import AdapterAPI
import Testing

@testable import Host

/// A `TokenState` driven by a test, with a transcript of its actions, one line each.
struct TokenTranscript {
  var state: TokenState
  /// The lease is granted, extended and released at once, without a line in the transcript.
  var grants = true
  private var written: [String] = []
  var time = ClockReading(now: Instant(nanoseconds: 1_000_000_000_000), wall: 1_800_000_000_000)
  private var lastID: UInt64 = 0

  init(
    window: Duration = .seconds(300), exchangeTimeout: Duration = .seconds(10), sharing: StoreSharing = .process
  ) {
    let timing = TokenTiming(window: window, exchangeTimeout: exchangeTimeout, jitter: { _ in .zero })
    state = TokenState(timing: timing, sharing: sharing)
  }

  /// Returns a keeper that has started, and whose store has not responded yet.
  static func starting(_ sharing: StoreSharing = .process, grants: Bool = true) -> TokenTranscript {
    var transcript = TokenTranscript(sharing: sharing)
    transcript.grants = grants
    transcript.state.start(at: transcript.time)
    return transcript
  }

  /// Returns a keeper that has started with that pair.
  static func started(
    _ pair: StoredPair? = nil, window: Duration = .seconds(300)
  ) -> TokenTranscript {
    var transcript = TokenTranscript(window: window)
    transcript.state.start(at: transcript.time)
    transcript.state.loaded(.success(pair), at: transcript.time)
    _ = transcript.lines()
    return transcript
  }

  /// Returns a keeper whose token is `A1`, just authorized for a caller and not saved yet.
  static func unsaved(life: Int64 = 7200, window: Duration = .seconds(300)) throws -> TokenTranscript {
    var transcript = TokenTranscript.started(window: window)
    _ = transcript.ask()
    try transcript.give(1, life: life)
    _ = transcript.lines()
    return transcript
  }

  /// Returns a keeper whose token is `A1`, authorized and saved as version 1 that long ago.
  static func holding(
    life: Int64 = 7200, window: Duration = .seconds(300), for passed: Duration = .zero
  ) throws -> TokenTranscript {
    var transcript = try TokenTranscript.unsaved(life: life, window: window)
    try transcript.keep(1, version: 1, life: life)
    _ = transcript.lines()
    if passed > .zero { transcript.pass(passed) }
    return transcript
  }

  // MARK: Events

  func token(_ n: Int, life: Int64 = 7200) throws -> Token {
    try Token(access: "A\(n)", refresh: "R\(n)", expiresAt: time.wall + life * 1000, lifetime: life * 1000)
  }

  mutating func ask(within limit: Duration = .seconds(30)) -> String {
    lastID += 1
    return Self.line(state.ask(lastID, deadline: time.now + limit, at: time))
  }

  mutating func replace(_ n: Int, within limit: Duration = .seconds(30)) throws -> String {
    lastID += 1
    return Self.line(state.replace(try token(n), lastID, deadline: time.now + limit, at: time))
  }

  /// Applies an event before the pending actions are carried out, and expects these lines where some are given.
  mutating func apply(
    yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation,
    _ event: (inout TokenState, ClockReading) throws -> Void
  ) rethrows {
    try event(&state, time)
    expect(lines, location)
  }

  /// Applies an event to which the upstream or the store has been called.
  private mutating func respond(
    _ lines: [String]?, _ location: SourceLocation, _ event: (inout TokenState, ClockReading) -> Void
  ) {
    work()
    apply(yields: lines, at: location, event)
  }

  private mutating func expect(_ lines: [String]?, _ location: SourceLocation) {
    guard let lines else { return }
    let actual = self.lines()
    #expect(actual == lines, sourceLocation: location)
  }

  /// The upstream issues a token.
  mutating func give(
    _ n: Int, life: Int64 = 7200, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) throws {
    let token = try token(n, life: life)
    respond(lines, location) { $0.exchanged(.success(token), at: $1) }
  }

  mutating func give(_ token: Token) { respond(nil, #_sourceLocation) { $0.exchanged(.success(token), at: $1) } }

  mutating func refuse(
    _ code: AdapterError.Code, retryAfter: Duration? = nil, yields lines: [String]? = nil,
    at location: SourceLocation = #_sourceLocation
  ) {
    respond(lines, location) { $0.exchanged(.failure(AdapterError(code, "no", retryAfter: retryAfter)), at: $1) }
  }

  /// The store saves a token.
  mutating func keep(
    _ n: Int, version: Int64, life: Int64 = 7200, yields lines: [String]? = nil,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let token = try token(n, life: life)
    let pair = StoredPair(token: token, version: version)
    respond(lines, location) { $0.saved(.success(.saved(pair)), of: token, at: $1) }
  }

  /// The upstream issues a token, and the store saves it. The version is the token's number unless given.
  mutating func renew(
    _ n: Int, version: Int64? = nil, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) throws {
    try give(n)
    try keep(n, version: version ?? Int64(n), yields: lines, at: location)
  }

  mutating func lose(
    _ n: Int, to winner: StoredPair, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) throws {
    let token = try token(n)
    respond(lines, location) { $0.saved(.success(.lost(winner)), of: token, at: $1) }
  }

  static let down = StoreError(.unavailable, "The store is down.")

  mutating func storeFails(
    _ n: Int, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) throws {
    let token = try token(n)
    respond(lines, location) { $0.saved(.failure(Self.down), of: token, at: $1) }
  }

  /// The store responds to a claim; nil: it fails.
  mutating func claim(
    _ outcome: ClaimOutcome?, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) {
    respond(lines, location) { $0.claimed(outcome.map { .success($0) } ?? .failure(Self.down), at: $1) }
  }

  /// The store responds to a load.
  mutating func load(
    _ pair: StoredPair?, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) {
    respond(lines, location) { $0.loaded(.success(pair), at: $1) }
  }

  /// Lets time pass, with every alarm in time.
  mutating func pass(
    _ duration: Duration, yields lines: [String]? = nil, at location: SourceLocation = #_sourceLocation
  ) {
    let end = ClockReading(now: time.now + duration, wall: time.wall + duration.milliseconds)
    work()
    while let wake = state.wake, wake <= end.now {
      if wake > time.now {
        time.wall += (wake - time.now).milliseconds
        time.now = wake
      }
      state.tick(at: time)
      work()
      if let next = state.wake, next <= time.now { break }
    }
    time = end
    if let wake = state.wake, wake <= end.now { state.tick(at: time) }
    expect(lines, location)
  }

  /// Lets time pass without an alarm, as when the process stands still.
  mutating func standStill(_ duration: Duration) {
    time = ClockReading(now: time.now + duration, wall: time.wall + duration.milliseconds)
  }

  // MARK: Actions

  mutating func lines() -> [String] {
    work()
    defer { written.removeAll() }
    return written
  }

  /// Takes the actions into the transcript, except for those of the lease while `grants` is true.
  mutating func work() {
    while case let actions = state.takeActions(), !actions.isEmpty {
      for action in actions {
        switch action {
        case .claim where grants: state.claimed(.success(.granted), at: time)
        case .extend where grants: state.extended(.success(true), at: time)
        case .release where grants: state.released(.success(()), at: time)
        default: if let line = Self.line(action) { written.append(line) }
        }
      }
    }
  }

  private static func line(_ action: TokenState.Action) -> String? {
    switch action {
    case .load: "load"
    case .claim(nil): "claim"
    case .claim(let seen?): "claim \(seen.token.access)#\(seen.version)"
    case .extend: "extend"
    case .release: "release"
    case .exchange(nil, _): "authorize"
    case .exchange(let token?, _): "refresh \(token.refresh)"
    case .cancelExchange: "cancel"
    case .save(let token, nil): "save \(token.access)"
    case .save(let token, let old?): "save \(token.access) over \(old.token.access)#\(old.version)"
    case .resume(let ids, .success(let token)): "give \(token.access) to \(names(ids))"
    case .resume(let ids, .failure(let error)): "fail \(names(ids)): \(line(error))"
    case .publish: "publish"
    case .emit(let event): event.rawValue
    case .log: nil
    case .stopped: "stopped"
    }
  }

  private static func line(_ decision: TokenState.Decision) -> String {
    switch decision {
    case .token(let token): token.access
    case .wait: "wait"
    case .fail(let error): line(error)
    }
  }

  private static func line(_ error: KeeperError) -> String {
    error.code == .noToken ? "noToken, \(error.retryAfter.milliseconds) ms" : error.code.rawValue
  }

  private static func names(_ ids: [UInt64]) -> String {
    ids.count > 4 ? "\(ids.count) waiters" : ids.map(String.init).joined(separator: " ")
  }
}
