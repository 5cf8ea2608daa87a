import AdapterAPI
import Testing

@testable import Host

/// The slow look at the row, and the messages that make it needless.
@Suite struct TokenLookTests {
  @Test func `the row is looked at every three seconds and a later pair is used`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.milliseconds(2999))
    #expect(keeper.lines() == [])
    keeper.pass(.milliseconds(1))
    #expect(keeper.lines() == ["load"])
    keeper.load(try TokenTranscript.pair(1))
    #expect(keeper.lines() == [])
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(2, life: 9000, version: 2))
    #expect(keeper.lines() == ["load", "adopted", "publish"])
    #expect(keeper.ask() == "A2")
  }

  @Test func `a pair that ends earlier than the one in hand is known and not used`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(2, life: 60, version: 2))
    #expect(keeper.lines() == ["load"])
    #expect(keeper.ask() == "A1")
    #expect(keeper.state.base?.version == 2)
  }

  @Test func `a stored pair that is good makes a renewal needless when the one in hand is refused`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(2, life: 3600, version: 2))
    _ = keeper.lines()
    #expect(try keeper.replace(1) == "A2")
    #expect(keeper.lines() == ["publish", "adopted", "publish"])
  }

  @Test func `a process that stores for itself never looks`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6000))
    #expect(keeper.lines() == [])
  }

  @Test func `one's own message is no reason to look`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.rest(.seconds(6900))
    keeper.claim(.granted)
    try keeper.give(2)
    _ = keeper.lines()
    keeper.state.noticed(2, at: keeper.time)
    try keeper.keep(2, version: 2)
    #expect(keeper.lines() == ["publish"])
    keeper.state.noticed(3, at: keeper.time)
    #expect(keeper.lines() == ["load"])
  }

  @Test func `a first caller during a look gets the pair that it finds, and nobody renews it`() throws {
    var keeper = TokenTranscript(sharing: .network)
    keeper.state.start(at: keeper.time)
    keeper.load(nil)
    _ = keeper.lines()
    keeper.state.noticed(1, at: keeper.time)
    #expect(keeper.lines() == ["load"])
    #expect(keeper.ask() == "wait")
    keeper.load(try TokenTranscript.pair(1, version: 1))
    #expect(keeper.lines() == ["adopted", "publish", "give A1 to 1"])
    #expect(keeper.state.exchange == nil)
  }

  @Test func `another process's pair makes up for an authorization that failed`() throws {
    var keeper = TokenTranscript(sharing: .network)
    keeper.grants = false
    keeper.state.start(at: keeper.time)
    keeper.load(nil)
    #expect(keeper.ask() == "wait")
    keeper.claim(.granted)
    keeper.refuse(.unreachable)
    #expect(keeper.state.failingSince != nil)
    keeper.state.released(.success(()), at: keeper.time)
    _ = keeper.lines()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(1))
    #expect(keeper.lines() == ["load", "adopted", "publish"])
    #expect(keeper.state.failingSince == nil)
    #expect(keeper.ask() == "A1")
  }

  @Test func `a first pair that a look finds while a caller wants the lease is used as it is`() throws {
    var keeper = TokenTranscript(sharing: .network)
    keeper.grants = false
    keeper.state.start(at: keeper.time)
    keeper.load(nil)
    keeper.pass(.seconds(3))
    #expect(keeper.ask() == "wait")
    keeper.load(try TokenTranscript.pair(1))
    #expect(keeper.lines() == ["load", "load", "adopted", "publish", "give A1 to 1"])
  }
}
