import AdapterAPI
import Testing

@testable import Host

/// The regular looks at the row, and the announcements of other processes.
@Suite struct TokenLookTests {
  @Test func `the row is read every three seconds, and a pair that expires later is used`() throws {
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

  @Test func `a stored pair that expires before the current one is noted and not used`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(2, life: 60, version: 2))
    #expect(keeper.lines() == ["load"])
    #expect(keeper.ask() == "A1")
    #expect(keeper.state.row.pair?.version == 2)
  }

  @Test func `a good stored pair is used without an exchange when the current token is refused`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(2, life: 3600, version: 2))
    _ = keeper.lines()
    #expect(try keeper.replace(1) == "A2")
    #expect(keeper.lines() == ["publish", "adopted", "publish"])
  }

  @Test func `a keeper with a store of its own process never reads the row again`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6000))
    #expect(keeper.lines() == [])
  }

  @Test func `the announcement of a keeper's own save does not lead to a look`() throws {
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

  @Test func `a first caller during a look gets the pair that the look finds, without an exchange`() throws {
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

  @Test func `another process's pair ends the failure of an authorization`() throws {
    var keeper = TokenTranscript(sharing: .network)
    keeper.grants = false
    keeper.state.start(at: keeper.time)
    keeper.load(nil)
    #expect(keeper.ask() == "wait")
    keeper.claim(.granted)
    keeper.refuse(.unreachable)
    #expect(keeper.state.refusals.failingSince != nil)
    keeper.state.released(.success(()), at: keeper.time)
    _ = keeper.lines()
    keeper.pass(.seconds(3))
    keeper.load(try TokenTranscript.pair(1))
    #expect(keeper.lines() == ["load", "adopted", "publish"])
    #expect(keeper.state.refusals.failingSince == nil)
    #expect(keeper.ask() == "A1")
  }

  @Test func `a first pair that a look finds while a caller waits is used without a claim`() throws {
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
