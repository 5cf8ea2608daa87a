import AdapterAPI
import Testing

@testable import Host

/// The regular looks at the row, and the announcements of other processes.
@Suite struct TokenLookTests {
  @Test func `the row is read every three seconds, and a pair that expires later is used`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.milliseconds(2999), yields: [])
    keeper.pass(.milliseconds(1), yields: ["load"])
    keeper.load(try .pair(1), yields: [])
    keeper.pass(.seconds(3))
    keeper.load(try .pair(2, life: 9000, version: 2), yields: ["load", "adopted", "publish"])
    #expect(keeper.ask() == "A2")
  }

  @Test func `a stored pair that expires before the current one is noted and not used`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try .pair(2, life: 60, version: 2), yields: ["load"])
    #expect(keeper.ask() == "A1")
    #expect(keeper.state.row.pair?.version == 2)
  }

  @Test func `a good stored pair is used without an exchange when the current token is refused`() throws {
    var keeper = try TokenTranscript.sharing()
    keeper.pass(.seconds(3))
    keeper.load(try .pair(2, life: 3600, version: 2), yields: ["load"])
    #expect(try keeper.replace(1) == "A2")
    #expect(keeper.lines() == ["publish", "adopted", "publish"])
  }

  @Test func `a keeper with a store of its own process never reads the row again`() throws {
    var keeper = try TokenTranscript.holding()
    keeper.pass(.seconds(6000), yields: [])
  }

  @Test func `the announcement of a keeper's own save does not lead to a look`() throws {
    var keeper = try TokenTranscript.sharing(for: .seconds(6900))
    keeper.claim(.granted)
    try keeper.give(2, yields: ["refresh R1", "refreshed", "save A2 over A1#1"])
    keeper.state.noticed(2, at: keeper.time)
    try keeper.keep(2, version: 2, yields: ["publish"])
    keeper.apply(yields: ["load"]) { $0.noticed(3, at: $1) }
  }

  @Test func `a first caller during a look gets the pair that the look finds, without an exchange`() throws {
    var keeper = TokenTranscript.starting(.network)
    keeper.load(nil, yields: ["load"])
    keeper.apply(yields: ["load"]) { $0.noticed(1, at: $1) }
    #expect(keeper.ask() == "wait")
    keeper.load(try .pair(1, version: 1), yields: ["adopted", "publish", "give A1 to 1"])
    #expect(keeper.state.exchange == nil)
  }

  @Test func `another process's pair ends the failure of an authorization`() throws {
    var keeper = TokenTranscript.starting(.network, grants: false)
    keeper.load(nil)
    #expect(keeper.ask() == "wait")
    keeper.claim(.granted)
    keeper.refuse(.unreachable)
    #expect(keeper.state.refusals.failingSince != nil)
    keeper.state.released(.success(()), at: keeper.time)
    _ = keeper.lines()
    keeper.pass(.seconds(3))
    keeper.load(try .pair(1), yields: ["load", "adopted", "publish"])
    #expect(keeper.state.refusals.failingSince == nil)
    #expect(keeper.ask() == "A1")
  }

  @Test func `a first pair that a look finds while a caller waits is used without a claim`() throws {
    var keeper = TokenTranscript.starting(.network, grants: false)
    keeper.load(nil)
    keeper.pass(.seconds(3))
    #expect(keeper.ask() == "wait")
    keeper.load(try .pair(1), yields: ["load", "load", "adopted", "publish", "give A1 to 1"])
  }
}
