import AdapterAPI
import Testing

@testable import Host

/// The upstream refuses the access token.
@Suite struct TokenRejectionTests {
  @Test func `callers that report the same refused token share one refresh, and the old token is not given again`()
    throws
  {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(60))
    for _ in 1...100 { #expect(try keeper.replace(1) == "wait") }
    #expect(keeper.ask() == "wait")
    #expect(keeper.state.ready(keeper.time.now) == nil)
    #expect(keeper.lines() == ["publish", "refresh R1"])
    try keeper.renew(2, yields: ["refreshed", "save A2 over A1#1", "publish", "give A2 to 101 waiters"])
  }

  @Test func `a caller that reports a replaced token gets the current one at once`() throws {
    var keeper = try TokenTranscript.holding()
    _ = try keeper.replace(1)
    try keeper.renew(
      2, yields: ["publish", "refresh R1", "refreshed", "save A2 over A1#1", "publish", "give A2 to 2"])
    #expect(try keeper.replace(1) == "A2")
    #expect(keeper.lines() == [])
  }

  @Test func `all callers fail at once when the refresh fails, and the refused token stays out of use`() throws {
    var keeper = try TokenTranscript.holding()
    #expect(try keeper.replace(1) == "wait")
    keeper.refuse(.unreachable, yields: ["publish", "refresh R1", "failed", "fail 2: noToken, 1000 ms"])
    #expect(try keeper.replace(1) == "noToken, 1000 ms")
    #expect(keeper.ask() == "noToken, 1000 ms")
    keeper.pass(.seconds(1))
    // The refresh token is still used.
    #expect(keeper.lines() == ["refresh R1"])
  }

  @Test(arguments: [(3, false, 0), (50, true, 0), (50, false, 1)])
  func `a few early refusals, refusals of accepted tokens, and refusals after a second cause no wait`(
    count: Int, isAccepted: Bool, seconds: Int64
  ) throws {
    var keeper = try TokenTranscript.holding()
    for n in 1...count {
      if isAccepted { keeper.state.accept(try keeper.token(n)) }
      if seconds > 0 { keeper.pass(.seconds(seconds)) }
      #expect(try keeper.replace(n) == "wait", "\(n)")
      try keeper.renew(n + 1)
    }
    #expect(keeper.ask() == "A\(count + 1)")
  }

  @Test func `an upstream that refuses every token it issues is called less and less often`() throws {
    var keeper = try TokenTranscript.holding()
    var exchanges = 0
    var n = 1
    // A caller every ten milliseconds for ten minutes.
    for _ in 1...60_000 {
      keeper.pass(.milliseconds(10))
      if keeper.ask() != "A\(n)" {
        // Callers wait for an exchange only.
        #expect(keeper.state.exchange != nil || keeper.state.refusals.notBefore > keeper.time.now)
      } else {
        _ = try keeper.replace(n)
      }
      guard keeper.lines().contains(where: { $0.hasPrefix("refresh ") }) else { continue }
      exchanges += 1
      n += 1
      try keeper.renew(n)
      _ = keeper.lines()
    }
    // Three at once, then 1, 2, 4 … 60 seconds apart: 3 + 6 in the first minute, one a minute afterwards.
    #expect((15...20).contains(exchanges), "\(exchanges)")
  }

  @Test func `an accepted token ends the wait after early refusals`() throws {
    var keeper = try TokenTranscript.holding()
    for n in 1...3 {
      _ = try keeper.replace(n)
      try keeper.renew(n + 1)
    }
    #expect(try keeper.replace(4) == "noToken, 1000 ms")
    #expect(keeper.state.refusals.failingSince != nil)
    _ = keeper.lines()
    keeper.pass(.seconds(1), yields: ["refresh R4"])
    try keeper.renew(5)
    keeper.state.accept(try keeper.token(5))
    #expect(keeper.state.refusals.failingSince == nil)
    #expect(try keeper.replace(5) == "wait")
  }

  @Test func `a report of a refused token joins the refresh under way`() throws {
    var keeper = try TokenTranscript.holding(for: .seconds(6900))
    #expect(try keeper.replace(1) == "wait")
    #expect(keeper.lines() == ["refresh R1", "publish"])
    try keeper.renew(2, yields: ["refreshed", "save A2 over A1#1", "publish", "give A2 to 2"])
  }

  @Test func `a caller that is cancelled does not affect the other callers`() throws {
    var keeper = try TokenTranscript.holding()
    _ = try keeper.replace(1)
    _ = try keeper.replace(1)
    keeper.work()
    let cancelled = [keeper.state.cancel(2), keeper.state.cancel(2)]
    #expect(cancelled == [true, false])
    #expect(keeper.lines() == ["publish", "refresh R1", "fail 2: cancelled"])
    try keeper.renew(2)
    #expect(keeper.lines().last == "give A2 to 3")
  }

  @Test func `a caller whose deadline has passed fails and starts no exchange`() throws {
    var keeper = TokenTranscript.started()
    #expect(keeper.ask(within: .zero) == "deadline")
    #expect(keeper.lines() == [])
  }
}
