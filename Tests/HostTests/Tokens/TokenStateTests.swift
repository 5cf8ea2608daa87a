import AdapterAPI
import Testing

@testable import Host

/// Transcripts: what happens, and what the keeper then wants done.
@Suite struct TokenStateTests {
  @Test func `nothing is asked of the upstream before the first caller`() {
    var keeper = TokenTranscript()
    keeper.state.start(at: keeper.time)
    #expect(keeper.lines() == ["load"])
    keeper.state.loaded(.success(nil), at: keeper.time)
    keeper.pass(.seconds(3600))
    #expect(keeper.lines() == [])
  }

  @Test func `the first caller makes it authorize and gets the token when it is stored`() throws {
    var keeper = TokenTranscript.started()
    #expect(keeper.ask() == "wait")
    #expect(keeper.lines() == ["authorize"])
    try keeper.give(1)
    #expect(keeper.lines() == ["authorized", "save A1"])
    #expect(keeper.state.ready(keeper.time.now) == nil)
    try keeper.keep(1, version: 1)
    #expect(keeper.lines() == ["publish", "give A1 to 1"])
    #expect(keeper.ask() == "A1")
  }

  @Test func `a caller that comes before the store has answered waits for it`() throws {
    var keeper = TokenTranscript()
    #expect(keeper.ask() == "wait")
    keeper.state.start(at: keeper.time)
    #expect(keeper.ask() == "wait")
    keeper.state.loaded(.success(StoredPair(token: try keeper.token(1), version: 3)), at: keeper.time)
    #expect(keeper.lines() == ["load", "publish", "give A1 to 1 2"])
  }

  @Test func `five hundred callers at an expired token make one refresh`() throws {
    let expired = StoredPair(token: try TokenTranscript().token(1, life: -10), version: 7)
    var keeper = TokenTranscript()
    keeper.state.start(at: keeper.time)
    for _ in 1...250 { #expect(keeper.ask() == "wait") }
    keeper.state.loaded(.success(expired), at: keeper.time)
    for _ in 1...250 { #expect(keeper.ask() == "wait") }
    #expect(keeper.lines() == ["load", "refresh R1"])
    try keeper.give(2)
    try keeper.keep(2, version: 8)
    #expect(keeper.lines() == ["refreshed", "save A2 over A1#7", "publish", "give A2 to 500 waiters"])
  }

  // MARK: The window

  @Test func `outside the window the token is given at once and at its edge the keeper renews by itself`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6899))
    #expect(keeper.ask() == "A1")
    #expect(keeper.lines() == [])
    keeper.pass(.seconds(1))
    #expect(keeper.lines() == ["refresh R1"])
  }

  @Test func `inside the window a caller waits a second for the new token and then takes the old one`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6900))
    #expect(keeper.ask() == "wait")
    keeper.pass(.milliseconds(400))
    #expect(keeper.ask() == "wait")
    _ = keeper.lines()
    keeper.pass(.milliseconds(599))
    #expect(keeper.lines() == [])
    keeper.pass(.milliseconds(1))
    // Both: the second counts from the exchange's start, so a slow upstream delays nobody for long.
    #expect(keeper.lines() == ["give A1 to 2", "give A1 to 3"])
    #expect(keeper.ask() == "A1")
    try keeper.give(2)
    try keeper.keep(2, version: 2)
    #expect(keeper.ask() == "A2")
  }

  @Test func `inside the window a quick refresh gives the new token`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6900))
    #expect(keeper.ask() == "wait")
    _ = keeper.lines()
    try keeper.give(2)
    try keeper.keep(2, version: 2)
    #expect(keeper.lines() == ["refreshed", "save A2 over A1#1", "publish", "give A2 to 2"])
  }

  @Test func `a caller that waits while the old token ends goes on waiting until its deadline`() throws {
    var keeper = try TokenTranscript.holding(life: 10, window: .milliseconds(500))
    keeper.pass(.milliseconds(9500))
    #expect(keeper.ask(within: .seconds(3)) == "wait")
    keeper.pass(.milliseconds(2999))
    #expect(keeper.lines() == ["refresh R1"])
    keeper.pass(.milliseconds(1))
    #expect(keeper.lines() == ["fail 2: deadline"])
  }

  @Test func `the window is at most half of a short life`() throws {
    var keeper = try TokenTranscript.holding(life: 3)
    keeper.pass(.milliseconds(1499))
    #expect(keeper.ask() == "A1")
    #expect(keeper.lines() == [])
    keeper.pass(.milliseconds(1))
    #expect(keeper.lines() == ["refresh R1"])
    #expect(keeper.ask() == "wait")
  }

  @Test func `jitter lets the keeper act before callers meet the window`() throws {
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10), jitter: { $0 })
    let token = try TokenTranscript().token(1)
    let held = HeldToken.fresh(token, now: Instant(nanoseconds: 0), timing: timing)
    #expect(held.refreshAt == Instant(nanoseconds: 6_900_000_000_000))
    #expect(held.timerAt == Instant(nanoseconds: 6_870_000_000_000))
    for _ in 1...100 {
      #expect((Duration.zero...Duration.seconds(30)).contains(TokenTiming.random(.seconds(30))))
    }
  }

  @Test(arguments: [Int64.min, -1, 0])
  func `a life that two clocks disagree about counts as two hours`(lifetime: Int64) throws {
    let token = try Token(access: "A", refresh: "R", expiresAt: 5, lifetime: lifetime)
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10))
    let held = HeldToken.fresh(token, now: Instant(nanoseconds: 0), timing: timing)
    #expect(held.expires == Instant(nanoseconds: 7_200_000_000_000))
  }

  @Test func `a life beyond all bounds does no harm`() throws {
    let token = try Token(access: "A", refresh: "R", expiresAt: .max, lifetime: .max)
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10))
    let now = Instant(nanoseconds: 5)
    #expect(HeldToken.fresh(token, now: now, timing: timing).isUsable(Instant(nanoseconds: .max - 1)))
    #expect(HeldToken.stored(token, at: ClockReading(now: now, wall: -9), timing: timing).isUsable(now))
  }

  // MARK: Failing exchanges

  @Test func `a passing failure keeps the pair in use and the next attempts wait ever longer`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6900))
    #expect(keeper.ask() == "wait")
    keeper.refuse(.unreachable)
    #expect(keeper.lines() == ["refresh R1", "failed", "give A1 to 2"])
    #expect(keeper.ask() == "A1")
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
      keeper.pass(.milliseconds(wait * 1000 - 1))
      #expect(keeper.lines() == [], "\(wait)")
      keeper.pass(.milliseconds(1))
      #expect(keeper.lines() == ["refresh R1"], "\(wait)")
      keeper.refuse(.timeout)
      #expect(keeper.lines() == ["failed"], "\(wait)")
    }
    #expect(keeper.state.failingSince != nil)
    keeper.pass(.seconds(60))
    try keeper.give(2)
    try keeper.keep(2, version: 2)
    #expect(keeper.lines().last == "publish")
    #expect(keeper.state.failingSince == nil)
  }

  @Test func `without a valid token everybody fails with the exchange and later ones at once`() throws {
    var keeper = TokenTranscript.started()
    #expect(keeper.ask() == "wait")
    #expect(keeper.ask() == "wait")
    keeper.refuse(.malformed)
    #expect(keeper.lines() == ["authorize", "failed", "fail 1 2: noToken, 1000 ms"])
    #expect(keeper.ask() == "noToken, 1000 ms")
    keeper.pass(.seconds(1))
    #expect(keeper.lines() == [])
    #expect(keeper.ask() == "wait")
    keeper.refuse(.refreshRejected)
    #expect(keeper.lines() == ["authorize", "failed", "fail 4: noToken, 2000 ms"])
    keeper.pass(.milliseconds(500))
    #expect(keeper.ask() == "noToken, 1500 ms")
  }

  @Test func `the upstream's own wish for a pause is kept, within a minute`() {
    var keeper = TokenTranscript.started()
    _ = keeper.ask()
    keeper.refuse(.unreachable, retryAfter: .seconds(20))
    #expect(keeper.ask() == "noToken, 20000 ms")
    keeper.pass(.seconds(20))
    _ = keeper.ask()
    keeper.refuse(.unreachable, retryAfter: .seconds(86400))
    #expect(keeper.ask() == "noToken, 60000 ms")
  }

  @Test func `a refused refresh token leads to authorizing, once the store has nothing newer`() throws {
    var keeper = try TokenTranscript.holding(life: 10)
    keeper.pass(.seconds(10))
    #expect(keeper.ask() == "wait")
    keeper.work()
    keeper.grants = false
    keeper.refuse(.refreshRejected)
    #expect(keeper.lines() == ["refresh R1", "rejected", "claim A1#1"])
    keeper.claim(.granted)
    #expect(keeper.lines() == ["authorize"])
    try keeper.give(2)
    #expect(keeper.lines() == ["authorized", "save A2 over A1#1"])
  }

  @Test func `a refused refresh token is not tried again when authorizing fails as well`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6900))
    keeper.refuse(.refreshRejected)
    keeper.refuse(.unreachable)
    #expect(keeper.lines() == ["refresh R1", "rejected", "authorize", "failed"])
    #expect(keeper.ask() == "A1")
    keeper.pass(.seconds(1))
    #expect(keeper.lines() == ["authorize"])
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

  @Test func `another process's newer pair that is over as well is refreshed`() throws {
    var keeper = try TokenTranscript.holding(life: 10)
    keeper.pass(.seconds(10))
    keeper.work()
    keeper.grants = false
    keeper.refuse(.refreshRejected)
    keeper.claim(.changed(StoredPair(token: try keeper.token(5, life: -1), version: 2)))
    keeper.claim(.granted)
    #expect(keeper.lines() == ["refresh R1", "rejected", "claim A1#1", "claim A5#2", "refresh R5"])
  }

  @Test func `an exchange past its deadline is cancelled and the next one waits for its end`() throws {
    var keeper = TokenTranscript.started()
    _ = keeper.ask(within: .seconds(100))
    _ = keeper.lines()
    keeper.pass(.milliseconds(10_999))
    #expect(keeper.lines() == [])
    keeper.pass(.milliseconds(1))
    #expect(keeper.lines() == ["cancel"])
    keeper.pass(.seconds(60))
    #expect(keeper.lines() == [])
    keeper.refuse(.cancelled)
    #expect(keeper.lines() == ["failed", "fail 1: noToken, 1000 ms"])
  }
}
