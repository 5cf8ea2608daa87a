import AdapterAPI
import Testing

@testable import Host

/// The keeper and its store: restarts, races, a store that fails or is overdue, stopping.
@Suite struct TokenStoringTests {
  // MARK: Restart

  @Test func `a good stored token is used without a call to the upstream`() throws {
    var keeper = TokenTranscript.started(try .pair(1, life: 3600))
    #expect(keeper.ask() == "A1")
    #expect(keeper.lines() == [])
    keeper.pass(.seconds(3300), yields: ["refresh R1"])
  }

  @Test func `an expired stored token leads to a refresh, not to an authorization`() throws {
    var keeper = TokenTranscript.starting()
    keeper.load(try .pair(1, life: -3600, version: 4), yields: ["load", "refresh R1"])
    try keeper.give(2, yields: ["refreshed", "save A2 over A1#4"])
  }

  @Test func `a stored token in its renewal window is used while it is renewed`() throws {
    var keeper = TokenTranscript.starting()
    let aged = try Token(access: "A1", refresh: "R1", expiresAt: keeper.time.wall + 100_000, lifetime: 7_200_000)
    keeper.load(StoredPair(token: aged, version: 1), yields: ["load", "publish", "refresh R1"])
    keeper.refuse(.unreachable)
    #expect(keeper.ask() == "A1")
  }

  @Test(
    arguments: [
      // Nothing says how long the token's life is.
      (0, 240, true), (0, 299, true), (0, 301, false),
      // Half of a short life is less than five minutes.
      (600, 240, true), (600, 299, true), (600, 301, false), (240, 121, false), (240, 119, true),
      (7200, 240, true), (7200, 301, false),
    ] as [(Int64, Int64, Bool)])
  func `a stored token whose lifetime is unknown has the full renewal window, and any other at most half of its life`(
    life: Int64, left: Int64, isRenewed: Bool
  ) throws {
    var keeper = TokenTranscript.starting()
    let stored = try Token(
      access: "A1", refresh: "R1", expiresAt: keeper.time.wall + left * 1000, lifetime: life * 1000)
    keeper.load(
      StoredPair(token: stored, version: 1), yields: ["load", "publish"] + (isRenewed ? ["refresh R1"] : []))
    // The token stays in use until the next one is there.
    if isRenewed { keeper.pass(.seconds(1)) }
    #expect(keeper.ask() == "A1")
  }

  @Test func `a stored token lives at most its lifetime when the wall clock was set back`() throws {
    let token = try Token(access: "A1", refresh: "R1", expiresAt: 100_000_000, lifetime: 7_200_000)
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(10))
    let held = TimedToken.stored(token, at: ClockReading(now: Instant(nanoseconds: 0), wall: 0), timing: timing)
    #expect(held.expires == Instant(nanoseconds: 7_200_000_000_000))
  }

  @Test(arguments: [(-60_000, 7_140_000, 7_140_000), (7_199_001, 7_200_000, 7_199_001)] as [(Int64, Int64, Int64)])
  func `a token is stored with the expiry by the gateway's clock, and unchanged when it is right within seconds`(
    expiresIn: Int64, lifetime: Int64, storedExpiresIn: Int64
  ) throws {
    var keeper = TokenTranscript.started()
    _ = keeper.ask()
    let wall = keeper.time.wall
    keeper.give(try Token(access: "A1", refresh: "R1", expiresAt: wall + expiresIn, lifetime: lifetime))
    let stored = try Token(access: "A1", refresh: "R1", expiresAt: wall + storedExpiresIn, lifetime: lifetime)
    #expect(keeper.state.work.unsaved == stored)
  }

  // MARK: Races

  @Test func `another process's pair is used when it was saved first`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    try keeper.give(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1"])
    let winner = StoredPair(token: try keeper.token(7), version: 2)
    try keeper.lose(2, to: winner, yields: ["adopted", "publish", "give A7 to 2"])
    #expect(keeper.state.work.unsaved == nil)
    #expect(keeper.state.row.pair == winner)
  }

  @Test func `an expired pair that another process saved first is overwritten`() throws {
    var keeper = try TokenTranscript.unsaved()
    try keeper.lose(1, to: StoredPair(token: try keeper.token(0, life: -5), version: 9), yields: ["save A1 over A0#9"])
    try keeper.keep(1, version: 10, yields: ["publish", "give A1 to 1"])
  }

  @Test func `the pair that was just refreshed is overwritten when another process wrote it back`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    try keeper.give(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1"])
    // The same pair with another version.
    try keeper.lose(2, to: try .pair(1, version: 5), yields: ["save A2 over A1#5"])
  }

  @Test func `a save that finds its own earlier attempt in the row has succeeded`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    try keeper.give(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1"])
    try keeper.lose(2, to: StoredPair(token: try keeper.token(2), version: 2), yields: ["publish"])
    #expect(keeper.state.work.unsaved == nil)
  }

  @Test func `a row that changes again and again does not make callers wait`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    try keeper.give(2)
    for version in 5...7 { try keeper.lose(2, to: try .pair(1, version: Int64(version))) }
    #expect(keeper.lines().last == "give A2 to 2")
    keeper.pass(.seconds(1), yields: ["save A2 over A1#7"])
  }

  @Test func `the old pair in the row does not count as another process's newer pair`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    try keeper.give(2)
    try keeper.storeFails(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1", "storeDown", "publish"])
    // The row still contains `A1`, which has not expired. Its refresh token is spent.
    #expect(try keeper.replace(2) == "wait")
    keeper.refuse(.refreshRejected, yields: ["publish", "storeUp", "refresh R2", "rejected", "authorize"])
  }

  @Test func `a refused token is not used again when another process stores it`() throws {
    var keeper = try TokenTranscript.holding()
    _ = try keeper.replace(1)
    try keeper.renew(2)
    keeper.pass(.seconds(6900))
    _ = keeper.lines()
    keeper.grants = false
    keeper.refuse(.refreshRejected)
    keeper.claim(.changed(try .pair(1, version: 3)))
    keeper.claim(.granted, yields: ["rejected", "claim A2#2", "claim A1#3", "authorize"])
  }

  // MARK: Failures

  @Test func `a new token is used when the store fails, and the save is tried again`() throws {
    var keeper = try TokenTranscript.unsaved()
    try keeper.storeFails(1, yields: ["storeDown", "publish", "give A1 to 1"])
    #expect(keeper.state.work.downSince == 1_800_000_000_000)
    for _ in 1...10 {
      keeper.pass(.milliseconds(999), yields: [])
      keeper.pass(.milliseconds(1), yields: ["save A1"])
      try keeper.storeFails(1)
    }
    keeper.pass(.seconds(1))
    try keeper.keep(1, version: 1, yields: ["save A1", "storeUp"])
    #expect(keeper.state.work.downSince == nil)
    keeper.pass(.seconds(600), yields: [])
  }

  @Test func `an overdue save is waited for two seconds, and its late result counts`() throws {
    var keeper = try TokenTranscript.unsaved()
    keeper.pass(.milliseconds(1999), yields: [])
    keeper.pass(.milliseconds(1), yields: ["storeDown", "publish", "give A1 to 1"])
    keeper.pass(.seconds(100))
    // One job at a time: there is no second save.
    #expect(keeper.lines() == [])
    try keeper.keep(1, version: 1, yields: ["storeUp"])
    #expect(keeper.state.row.pair?.version == 1)
  }

  @Test func `a token obtained during an overdue save is used at once and saved afterwards`() throws {
    var keeper = try TokenTranscript.holding()
    _ = try keeper.replace(1)
    try keeper.give(2)
    keeper.pass(.seconds(5))
    _ = try keeper.replace(2)
    try keeper.give(3)
    #expect(
      keeper.lines() == [
        "publish", "refresh R1", "refreshed", "save A2 over A1#1", "storeDown", "publish", "give A2 to 2", "publish",
        "refresh R2", "refreshed", "publish", "give A3 to 3",
      ])
    try keeper.keep(2, version: 2, yields: ["storeUp", "save A3 over A2#2"])
  }

  @Test func `a store that fails at the start is asked again before authorizing`() throws {
    var keeper = TokenTranscript.starting()
    keeper.state.loaded(.failure(TokenTranscript.down), at: keeper.time)
    keeper.grants = false
    #expect(keeper.ask() == "wait")
    #expect(keeper.lines() == ["load", "storeDown", "claim"])
    keeper.claim(.changed(try .pair(1, life: 3600)), yields: ["storeUp", "adopted", "publish", "give A1 to 1"])
  }

  @Test func `a store that does not respond at the start is waited for two seconds`() throws {
    var keeper = TokenTranscript.starting()
    #expect(keeper.ask() == "wait")
    keeper.pass(.seconds(2), yields: ["load", "storeDown", "authorize"])
    try keeper.give(2, yields: ["authorized", "publish", "give A2 to 1"])
    keeper.load(try .pair(1, life: 3600), yields: ["storeUp", "save A2 over A1#1"])
  }

  // MARK: Stopping

  @Test func `stopping waits until the pair of the exchange under way is stored`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    keeper.apply(yields: ["refresh R1"]) { $0.stop(at: $1) }
    try keeper.give(2, yields: ["refreshed", "save A2 over A1#1"])
    try keeper.keep(2, version: 2, yields: ["publish", "stopped"])
  }

  @Test func `stopping ends at once when nothing is under way, and starts nothing afterwards`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.apply(yields: ["stopped"]) { $0.stop(at: $1) }
    #expect(keeper.ask() == "A1")
    #expect(try keeper.replace(1) == "stopped")
    keeper.pass(.seconds(9000), yields: ["publish"])
    #expect(keeper.ask() == "stopped")
  }

  @Test func `stopping tries once more to save an unsaved pair`() throws {
    var keeper = try TokenTranscript.unsaved()
    try keeper.storeFails(1, yields: ["storeDown", "publish", "give A1 to 1"])
    keeper.grants = false
    keeper.apply(yields: ["save A1"]) { $0.stop(at: $1) }
    try keeper.storeFails(1, yields: ["release"])
    keeper.apply(yields: ["stopped"]) { $0.released(.failure(TokenTranscript.down), at: $1) }
  }

  @Test func `an overdue job does not delay stopping`() throws {
    var keeper = TokenTranscript.starting()
    #expect(keeper.ask() == "wait")
    keeper.apply(yields: ["load", "fail 1: stopped"]) { $0.stop(at: $1) }
    keeper.pass(.seconds(2), yields: ["storeDown", "stopped"])
  }

  @Test func `a response of the store after the end has no effect`() throws {
    for result in [Result<StoredPair?, StoreError>.failure(TokenTranscript.down), .success(nil)] {
      var keeper = TokenTranscript()
      keeper.state.start(at: keeper.time)
      keeper.state.stop(at: keeper.time)
      keeper.pass(.seconds(2), yields: ["load", "storeDown", "stopped"])
      keeper.apply(yields: []) { $0.loaded(result, at: $1) }
    }
  }
}
