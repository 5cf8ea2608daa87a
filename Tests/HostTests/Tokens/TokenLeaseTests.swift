import AdapterAPI
import Testing

@testable import Host

/// The lease of the token's row, between processes that share a store.
@Suite struct TokenLeaseTests {
  // MARK: Claiming

  @Test func `the upstream is called only when the lease is granted`() throws {
    var keeper = try TokenTranscript.sharing(for: .seconds(6900))
    #expect(keeper.ask() == "wait")
    #expect(keeper.state.isClaiming)
    keeper.claim(.granted, yields: ["refresh R1"])
    try keeper.give(2, yields: ["refreshed", "save A2 over A1#1"])
    try keeper.keep(2, version: 2)
    // The save has released the lease.
    #expect(keeper.lines() == ["publish", "give A2 to 1"])
    #expect(!keeper.state.row.isLeased)
  }

  @Test func `a claim that finds a newer pair uses it without a call to the upstream`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.changed(try .pair(2, version: 2)), yields: ["adopted", "publish", "give A2 to 1"])
    #expect(keeper.state.exchange == nil)
  }

  @Test func `a newer pair that has expired too is refreshed from its own refresh token`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.changed(try .pair(2, life: -1, version: 2)), yields: ["claim A2#2"])
    keeper.claim(.granted, yields: ["refresh R2"])
  }

  @Test(arguments: [(StoreSharing.network, 250), (.machine, 50)])
  func `a lease that another process has is claimed again soon`(sharing: StoreSharing, poll: Int) throws {
    var keeper = try TokenTranscript.sharing(sharing, life: -1)
    #expect(keeper.ask() == "wait")
    for _ in 1...3 {
      keeper.claim(.held(.seconds(4)))
      keeper.pass(.milliseconds(poll - 1), yields: [])
      keeper.pass(.milliseconds(1), yields: ["claim A1#1"])
    }
    keeper.claim(.held(.milliseconds(20)))
    keeper.pass(.milliseconds(20), yields: ["claim A1#1"])
  }

  @Test func `an announced version leads to a claim at once`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.held(.seconds(4)))
    keeper.apply(yields: ["claim A1#1"]) { $0.noticed(2, at: $1) }
    // Also during a claim, whose response may be older.
    keeper.apply(yields: []) { $0.noticed(2, at: $1) }
    keeper.claim(.held(.seconds(4)), yields: ["claim A1#1"])
  }

  @Test func `callers get the old token after at most a second while another process renews`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.rest(.seconds(6899))
    keeper.pass(.seconds(1))
    keeper.claim(.held(.seconds(5)))
    #expect(keeper.ask() == "wait")
    keeper.grants = false
    for _ in 1...3 {
      keeper.pass(.milliseconds(250))
      keeper.claim(.held(.seconds(5)))
    }
    #expect(keeper.lines() == ["claim A1#1", "claim A1#1", "claim A1#1", "claim A1#1"])
    keeper.pass(.milliseconds(250), yields: ["give A1 to 1", "claim A1#1"])
    #expect(keeper.ask() == "A1")
  }

  @Test func `a grant that took longer than the lease lasts is not used`() throws {
    var keeper = try TokenTranscript.waiting()
    // The process stands still: there is no alarm.
    keeper.standStill(.seconds(6))
    keeper.claim(.granted, yields: ["claim A1#1"])
  }

  // MARK: Extending

  @Test func `the lease is extended after each third of it during a call to the upstream`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.granted, yields: ["refresh R1"])
    keeper.pass(.milliseconds(999), yields: [])
    keeper.pass(.milliseconds(1), yields: ["extend"])
    keeper.state.extended(.success(true), at: keeper.time)
    keeper.pass(.milliseconds(1000), yields: ["extend"])
    // The store's response changes nothing.
    keeper.state.extended(.success(false), at: keeper.time)
    try keeper.give(2, yields: ["refreshed", "save A2 over A1#1"])
  }

  @Test func `a pair obtained during an extension is saved after it`() throws {
    var keeper = try TokenTranscript.sharing(life: -1)
    keeper.claim(.granted)
    keeper.pass(.milliseconds(1700))
    try keeper.give(2, yields: ["refresh R1", "extend", "refreshed"])
    keeper.apply(yields: ["save A2 over A1#1"]) { $0.extended(.success(true), at: $1) }
  }

  @Test func `a call that ignores its cancellation loses the lease`() throws {
    var keeper = try TokenTranscript.sharing(life: -1)
    keeper.claim(.granted)
    var extensions = 0
    for _ in 1...600 {
      keeper.pass(.milliseconds(100))
      guard keeper.state.work.job == .extend else { continue }
      extensions += 1
      keeper.state.extended(.success(true), at: keeper.time)
    }
    // The call is cancelled after 11 seconds. There is no extension in the 49 seconds afterwards.
    #expect((10...11).contains(extensions), "\(extensions)")
  }

  // MARK: Releasing

  @Test func `a failed exchange releases the lease and waits`() throws {
    var keeper = try TokenTranscript.sharing(for: .seconds(6900))
    keeper.claim(.granted)
    keeper.refuse(.unreachable, yields: ["refresh R1", "failed", "release"])
    keeper.state.released(.success(()), at: keeper.time)
    keeper.pass(.seconds(1), yields: ["claim A1#1"])
  }

  @Test func `a refused refresh token leads to another claim before the keeper authorizes under the same lease`() throws
  {
    var keeper = try TokenTranscript.sharing(for: .seconds(6900))
    keeper.claim(.granted)
    keeper.refuse(.refreshRejected, yields: ["refresh R1", "rejected", "claim A1#1"])
    keeper.claim(.granted, yields: ["authorize"])
    try keeper.give(2, yields: ["authorized", "save A2 over A1#1"])
  }

  @Test func `stopping releases the lease when the call has ended`() throws {
    var keeper = try TokenTranscript.sharing(for: .seconds(6900))
    keeper.claim(.granted)
    keeper.apply(yields: ["refresh R1"]) { $0.stop(at: $1) }
    keeper.refuse(.unreachable, yields: ["failed", "release"])
    keeper.apply(yields: ["stopped"]) { $0.released(.success(()), at: $1) }
  }

  @Test func `stopping during a claim makes no call and releases the lease`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.apply(yields: ["fail 1: stopped"]) { $0.stop(at: $1) }
    keeper.claim(.granted, yields: ["release"])
    keeper.apply(yields: ["stopped"]) { $0.released(.success(()), at: $1) }
  }

  // MARK: Standstills

  @Test func `a pair obtained after the lease was lost gives way to the new holder's pair`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.granted)
    try keeper.give(2)
    keeper.work()
    keeper.state.saved(.success(.leased(.seconds(3))), of: try keeper.token(2), at: keeper.time)
    _ = keeper.lines()
    keeper.pass(.milliseconds(250), yields: ["save A2 over A1#1"])
    try keeper.lose(2, to: try .pair(3, version: 2), yields: ["adopted", "publish", "give A3 to 1"])
  }

  @Test func `a pair obtained after the lease was lost is stored when the new holder stores none`() throws {
    var keeper = try TokenTranscript.sharing(life: -1)
    keeper.claim(.granted)
    try keeper.give(2)
    keeper.work()
    keeper.state.saved(.success(.leased(.milliseconds(100))), of: try keeper.token(2), at: keeper.time)
    keeper.pass(.milliseconds(100))
    try keeper.keep(2, version: 2)
    #expect(keeper.lines() == ["refresh R1", "refreshed", "save A2 over A1#1", "save A2 over A1#1", "publish"])
  }

  @Test func `a failure after the lease has ended leads to another claim before callers fail`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.claim(.granted)
    keeper.standStill(.seconds(12))
    keeper.refuse(.timeout, yields: ["refresh R1", "failed", "claim A1#1"])
    keeper.claim(.changed(try .pair(2, version: 2)), yields: ["adopted", "publish", "give A2 to 1", "release"])
  }

  @Test func `a late alarm extends the store's timeout`() throws {
    var keeper = try TokenTranscript.waiting()
    keeper.standStill(.seconds(8))
    keeper.state.tick(at: keeper.time)
    // The process stood still; the store does not count as away.
    #expect(keeper.lines() == [])
    keeper.claim(.changed(try .pair(2, version: 2)), yields: ["adopted", "publish", "give A2 to 1"])
  }
}
