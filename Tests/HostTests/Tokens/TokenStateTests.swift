import AdapterAPI
import Testing

@testable import Host

/// Transcripts of events and the actions that follow.
@Suite struct TokenStateTests {
  private let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10))

  @Test func `the upstream is not called before the first caller`() {
    var keeper = TokenTranscript()
    keeper.apply(yields: ["load"]) { $0.start(at: $1) }
    keeper.load(nil)
    keeper.pass(.seconds(3600), yields: [])
  }

  @Test func `a fetch obtains the first token without a caller, in one exchange that callers join`() throws {
    var keeper = TokenTranscript.starting()
    keeper.apply { $0.fetch(at: $1) }
    #expect(keeper.ask() == "wait")
    keeper.load(nil, yields: ["load", "authorize"])
    #expect(keeper.ask() == "wait")
    try keeper.renew(1, yields: ["authorized", "save A1", "publish", "give A1 to 1 2"])
    keeper.pass(.seconds(6900), yields: ["refresh R1"])
  }

  @Test func `a fetch with a good stored token calls nothing`() throws {
    var keeper = TokenTranscript.starting()
    keeper.apply { $0.fetch(at: $1) }
    keeper.load(try .pair(1), yields: ["load", "publish"])
    keeper.pass(.seconds(3600), yields: [])
  }

  @Test func `a fetch that fails is repeated without a caller, later each time, until there is a token`() throws {
    var keeper = TokenTranscript.started()
    keeper.apply(yields: ["authorize"]) { $0.fetch(at: $1) }
    keeper.refuse(.unreachable, yields: ["failed"])
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
      keeper.pass(.milliseconds(wait * 1000 - 1), yields: [])
      keeper.pass(.milliseconds(1), yields: ["authorize"])
      keeper.refuse(.malformed, yields: ["failed"])
    }
    keeper.pass(.seconds(60))
    try keeper.renew(1, yields: ["authorize", "authorized", "save A1", "publish"])
  }

  @Test func `a stop lets a fetch without callers end within a second, and one with a caller in its own time`() throws {
    for hasCaller in [false, true] {
      var keeper = TokenTranscript.started()
      keeper.apply(yields: ["authorize"]) { $0.fetch(at: $1) }
      if hasCaller { #expect(keeper.ask() == "wait") }
      keeper.apply(yields: []) { $0.stop(at: $1) }
      keeper.pass(.milliseconds(999), yields: [])
      keeper.pass(.milliseconds(1), yields: hasCaller ? [] : ["cancel"])
      // A pair that comes nevertheless is stored.
      try keeper.renew(1)
      #expect(keeper.lines().contains("save A1"))
    }
  }

  @Test func `the first caller starts an authorization and gets the token when it is stored`() throws {
    var keeper = TokenTranscript.started()
    #expect(keeper.ask() == "wait")
    #expect(keeper.lines() == ["authorize"])
    try keeper.give(1, yields: ["authorized", "save A1"])
    #expect(keeper.state.ready(keeper.time.now) == nil)
    try keeper.keep(1, version: 1, yields: ["publish", "give A1 to 1"])
    #expect(keeper.ask() == "A1")
  }

  @Test func `a caller that comes before the store's response waits for it`() throws {
    var keeper = TokenTranscript()
    #expect(keeper.ask() == "wait")
    keeper.state.start(at: keeper.time)
    #expect(keeper.ask() == "wait")
    keeper.load(try .pair(1, version: 3), yields: ["load", "publish", "give A1 to 1 2"])
  }

  @Test func `five hundred callers with an expired token make one refresh`() throws {
    var keeper = TokenTranscript.starting()
    for _ in 1...250 { #expect(keeper.ask() == "wait") }
    keeper.load(try .pair(1, life: -10, version: 7))
    for _ in 1...250 { #expect(keeper.ask() == "wait") }
    #expect(keeper.lines() == ["load", "refresh R1"])
    try keeper.renew(2, version: 8, yields: ["refreshed", "save A2 over A1#7", "publish", "give A2 to 500 waiters"])
  }

  // MARK: The renewal window

  @Test(arguments: [(7200, 6_899_000, 1000), (3, 1499, 1)] as [(Int64, Int64, Int64)])
  func `a token is given at once until the renewal window, at most half of the lifetime, when the keeper renews`(
    life: Int64, before: Int64, rest: Int64
  ) throws {
    var keeper = try TokenTranscript.holding(life: life, for: .milliseconds(before))
    #expect(keeper.ask() == "A1")
    #expect(keeper.lines() == [])
    keeper.pass(.milliseconds(rest), yields: ["refresh R1"])
    #expect(keeper.ask() == "wait")
  }

  @Test func `a caller inside the renewal window waits a second for the new token and then gets the old one`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    keeper.pass(.milliseconds(400), yields: ["refresh R1"])
    #expect(keeper.ask() == "wait")
    keeper.pass(.milliseconds(599), yields: [])
    keeper.pass(.milliseconds(1))
    // The second counts from the exchange's start, so that a slow upstream delays no caller for long.
    #expect(keeper.lines() == ["give A1 to 2", "give A1 to 3"])
    #expect(keeper.ask() == "A1")
    try keeper.renew(2)
    #expect(keeper.ask() == "A2")
  }

  @Test func `a caller inside the renewal window gets the new token after a quick refresh`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    try keeper.renew(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1", "publish", "give A2 to 2"])
  }

  @Test func `a caller whose old token expires during the wait keeps waiting until its deadline`() throws {
    var keeper = try TokenTranscript.holding(life: 10, window: .milliseconds(500))
    keeper.pass(.milliseconds(9500))
    #expect(keeper.ask(within: .seconds(3)) == "wait")
    keeper.pass(.milliseconds(2999), yields: ["refresh R1"])
    keeper.pass(.milliseconds(1), yields: ["fail 2: deadline"])
  }

  @Test func `jitter lets the keeper renew before the renewal window`() throws {
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10), jitter: { $0 })
    let token = try TokenTranscript().token(1)
    let held = TimedToken.fresh(token, now: Instant(nanoseconds: 0), timing: timing)
    #expect(held.refreshAt == Instant(nanoseconds: 6_900_000_000_000))
    #expect(held.timerAt == Instant(nanoseconds: 6_870_000_000_000))
    for _ in 1...100 {
      #expect((Duration.zero...Duration.seconds(30)).contains(TokenTiming.random(.seconds(30))))
    }
  }

  @Test(arguments: [Int64.min, -1, 0])
  func `a lifetime that is not positive counts as two hours`(lifetime: Int64) throws {
    let token = try Token(access: "A", refresh: "R", expiresAt: 5, lifetime: lifetime)
    let held = TimedToken.fresh(token, now: Instant(nanoseconds: 0), timing: timing)
    #expect(held.expires == Instant(nanoseconds: 7_200_000_000_000))
  }

  @Test func `the longest possible lifetime does not overflow`() throws {
    let token = try Token(access: "A", refresh: "R", expiresAt: .max, lifetime: .max)
    let now = Instant(nanoseconds: 5)
    #expect(TimedToken.fresh(token, now: now, timing: timing).isUsable(Instant(nanoseconds: .max - 1)))
    #expect(TimedToken.stored(token, at: ClockReading(now: now, wall: -9), timing: timing).isUsable(now))
  }

  // MARK: Failing exchanges

  @Test func `a failed exchange leaves the pair in use, and each next attempt waits longer`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    keeper.refuse(.unreachable, yields: ["refresh R1", "failed", "give A1 to 2"])
    #expect(keeper.ask() == "A1")
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
      keeper.pass(.milliseconds(wait * 1000 - 1), yields: [])
      keeper.pass(.milliseconds(1), yields: ["refresh R1"])
      keeper.refuse(.timeout, yields: ["failed"])
    }
    #expect(keeper.state.refusals.failingSince != nil)
    keeper.pass(.seconds(60))
    try keeper.renew(2)
    #expect(keeper.lines().last == "publish")
    #expect(keeper.state.refusals.failingSince == nil)
  }

  @Test func `callers without a valid token fail with the exchange, and later callers fail at once`() throws {
    var keeper = TokenTranscript.started()
    #expect(keeper.ask() == "wait")
    #expect(keeper.ask() == "wait")
    keeper.refuse(.malformed, yields: ["authorize", "failed", "fail 1 2: noToken, 1000 ms"])
    #expect(keeper.ask() == "noToken, 1000 ms")
    keeper.pass(.seconds(1), yields: [])
    #expect(keeper.ask() == "wait")
    keeper.refuse(.refreshRejected, yields: ["authorize", "failed", "fail 4: noToken, 2000 ms"])
    keeper.pass(.milliseconds(500))
    #expect(keeper.ask() == "noToken, 1500 ms")
  }

  @Test func `the wait that the upstream asks for is respected up to a minute`() {
    var keeper = TokenTranscript.started()
    _ = keeper.ask()
    keeper.refuse(.unreachable, retryAfter: .seconds(20))
    #expect(keeper.ask() == "noToken, 20000 ms")
    keeper.pass(.seconds(20))
    _ = keeper.ask()
    keeper.refuse(.unreachable, retryAfter: .seconds(86400))
    #expect(keeper.ask() == "noToken, 60000 ms")
  }

  @Test func `a refused refresh token is not used again when authorizing fails`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    keeper.refuse(.refreshRejected)
    keeper.refuse(.unreachable, yields: ["refresh R1", "rejected", "authorize", "failed"])
    #expect(keeper.ask() == "A1")
    keeper.pass(.seconds(1), yields: ["authorize"])
  }

  @Test func `another process's newer pair is used instead of authorizing`() throws {
    var keeper = try TokenTranscript.holding(life: 10)
    keeper.pass(.seconds(10))
    #expect(keeper.ask() == "wait")
    keeper.work()
    keeper.grants = false
    keeper.refuse(.refreshRejected)
    keeper.claim(.changed(StoredPair(token: try keeper.token(5), version: 2)))
    #expect(
      keeper.lines() == ["refresh R1", "rejected", "claim A1#1", "adopted", "publish", "give A5 to 2", "release"])
  }

  @Test func `another process's newer pair that has expired is refreshed`() throws {
    var keeper = try TokenTranscript.holding(life: 10)
    keeper.pass(.seconds(10))
    keeper.work()
    keeper.grants = false
    keeper.refuse(.refreshRejected)
    keeper.claim(.changed(StoredPair(token: try keeper.token(5, life: -1), version: 2)))
    keeper.claim(.granted, yields: ["refresh R1", "rejected", "claim A1#1", "claim A5#2", "refresh R5"])
  }

  @Test func `an exchange past its deadline is cancelled, and the next one waits for its end`() throws {
    var keeper = TokenTranscript.started()
    _ = keeper.ask(within: .seconds(100))
    keeper.pass(.milliseconds(10_999), yields: ["authorize"])
    keeper.pass(.milliseconds(1), yields: ["cancel"])
    keeper.pass(.seconds(60), yields: [])
    keeper.refuse(.cancelled, yields: ["failed", "fail 1: noToken, 1000 ms"])
  }
}
