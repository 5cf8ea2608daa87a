import AdapterAPI
import Testing

@testable import Host

/// The keeper while the store is unavailable, and afterwards.
@Suite struct TokenStoreDownTests {
  /// Returns a keeper that has loaded `A1` from a store that fails since then.
  private func away(
    _ sharing: StoreSharing = .network, life: Int64 = 7200, after passed: Duration
  ) throws -> TokenTranscript {
    var keeper = try TokenTranscript.sharing(sharing, life: life)
    let end = keeper.time.now + passed
    while keeper.time.now < end {
      keeper.pass(min(.seconds(1), end - keeper.time.now))
      if keeper.state.work.job == .load { keeper.state.loaded(.failure(TokenTranscript.down), at: keeper.time) }
    }
    _ = keeper.lines()
    return keeper
  }

  /// Lets time pass while every claim fails, and returns the actions.
  private func refusing(_ keeper: inout TokenTranscript, _ duration: Duration) -> [String] {
    var lines: [String] = []
    let end = keeper.time.now + duration
    while keeper.time.now < end {
      keeper.pass(min(.milliseconds(50), end - keeper.time.now))
      if keeper.state.work.job == .claim { keeper.claim(nil) }
      lines += keeper.lines()
    }
    return lines
  }

  // MARK: A shared store

  @Test
  func `a good token is given without waiting while the store is unavailable, and the store is tried each second`()
    throws
  {
    var keeper = try away(after: .seconds(6900))
    #expect(keeper.state.work.downSince != nil)
    // The renewal window has begun.
    #expect(keeper.ask() == "A1")
    let tried = refusing(&keeper, .seconds(100))
    #expect(Set(tried) == ["claim A1#1"])
    #expect((95...105).contains(tried.count), "\(tried.count)")
    #expect(keeper.ask() == "A1")
  }

  @Test func `callers that wait for a renewal get the current token when the store fails`() throws {
    var keeper = try TokenTranscript.sharing(life: 200)
    keeper.time.now = keeper.time.now + .seconds(101)
    #expect(keeper.ask() == "wait")
    keeper.claim(nil, yields: ["claim A1#1", "storeDown", "give A1 to 1"])
  }

  @Test func `a keeper without the store authorizes once when half of the renewal window is left, and never refreshes`()
    throws
  {
    var keeper = try away(after: .seconds(6900))
    let before = refusing(&keeper, .milliseconds(149_900))
    #expect(!before.contains("authorize"))
    let after = refusing(&keeper, .milliseconds(200))
    #expect(after.last == "authorize")
    #expect(keeper.lines() == [])
    try keeper.give(2)
    // Used at once, and saved when the store works again.
    #expect(keeper.lines() == ["detached", "publish", "save A2 over A1#1"])
    #expect(keeper.state.current?.isDetached == true)
    for _ in 1...100 {
      try keeper.storeFails(2)
      keeper.pass(.seconds(1), yields: ["save A2 over A1#1"])
      #expect(keeper.ask() == "A2")
    }
  }

  @Test func `a store that does not respond delays callers no longer than a store that fails`() throws {
    var keeper = try TokenTranscript.sharing(life: 3)
    keeper.pass(.milliseconds(1500))
    #expect(keeper.ask() == "wait")
    #expect(keeper.lines() == ["claim A1#1"])
    keeper.pass(.milliseconds(750), yields: ["storeDown", "give A1 to 1", "authorize"])
    try keeper.give(2, life: 3)
    // Not saved yet: one job at a time.
    #expect(keeper.lines() == ["detached", "publish"])
  }

  @Test func `a refused token is replaced at once while the store is unavailable`() throws {
    var keeper = try away(after: .seconds(60))
    #expect(try keeper.replace(1) == "wait")
    keeper.claim(nil, yields: ["publish", "claim A1#1", "authorize"])
  }

  @Test func `a token that is refused during a claim is replaced at once while the store is unavailable`() throws {
    var keeper = try away(after: .seconds(6900))
    _ = refusing(&keeper, .seconds(10))
    #expect(keeper.state.isClaiming)
    #expect(try keeper.replace(1) == "wait")
    keeper.state.tick(at: keeper.time)
    if keeper.state.work.job == .claim { keeper.claim(nil) }
    #expect(keeper.lines() == ["publish", "claim A1#1", "authorize"])
  }

  @Test func `a cold start without the store authorizes`() throws {
    var keeper = TokenTranscript.starting(.network, grants: false)
    #expect(keeper.ask() == "wait")
    keeper.state.loaded(.failure(TokenTranscript.down), at: keeper.time)
    keeper.claim(nil)
    try keeper.give(1)
    #expect(
      keeper.lines() == ["load", "storeDown", "claim", "authorize", "detached", "publish", "give A1 to 1", "save A1"])
  }

  @Test func `a store that works again during a claim leads to a refresh`() throws {
    var keeper = try away(after: .seconds(6900))
    _ = refusing(&keeper, .seconds(100))
    keeper.pass(.seconds(1))
    keeper.claim(.granted, yields: ["claim A1#1", "storeUp", "refresh R1"])
  }

  @Test func `a refused refresh token leads to authorizing in the window's second half when the store is unavailable`()
    throws
  {
    var keeper = try away(after: .seconds(6900))
    keeper.claim(.granted)
    _ = keeper.lines()
    keeper.refuse(.refreshRejected)
    keeper.claim(nil, yields: ["rejected", "claim A1#1", "storeDown"])
    #expect(keeper.ask() == "A1")
    #expect(refusing(&keeper, .seconds(151)).contains("authorize"))
  }

  @Test func `a pair obtained under the lease is not detached when its save fails`() throws {
    var keeper = try away(after: .seconds(6900))
    keeper.claim(.granted)
    try keeper.give(2)
    keeper.work()
    try keeper.storeFails(2)
    #expect(keeper.lines().suffix(4) == ["refreshed", "save A2 over A1#1", "storeDown", "publish"])
    #expect(keeper.state.current?.isDetached == false)
  }

  // MARK: The store works again

  private func detached(life: Int64 = 7200) throws -> TokenTranscript {
    var keeper = try away(after: .seconds(60))
    _ = try keeper.replace(1)
    keeper.claim(nil)
    try keeper.give(2, life: life)
    keeper.work()
    try keeper.storeFails(2)
    keeper.pass(.seconds(1))
    _ = keeper.lines()
    return keeper
  }

  @Test func `a detached pair is stored when the row has not changed`() throws {
    var keeper = try detached()
    try keeper.keep(2, version: 2, yields: ["storeUp"])
    #expect(keeper.state.current?.isDetached == false)
    #expect(keeper.state.work.unsaved == nil)
  }

  @Test func `a stored pair that expires later replaces the detached pair`() throws {
    var keeper = try detached()
    try keeper.lose(2, to: try .pair(3, life: 9000, version: 2), yields: ["storeUp", "adopted", "publish"])
    #expect(keeper.ask() == "A3")
    #expect(keeper.state.work.unsaved == nil)
  }

  @Test func `a stored pair that expires earlier is overwritten by the detached pair`() throws {
    var keeper = try detached()
    try keeper.lose(2, to: try .pair(3, life: 3600, version: 2), yields: ["storeUp", "save A2 over A3#2"])
    try keeper.keep(2, version: 3)
    #expect(keeper.ask() == "A2")
  }

  @Test func `a detached pair is used while another process has the lease`() throws {
    var keeper = try detached()
    keeper.state.saved(.success(.leased(.seconds(4))), of: try keeper.token(2), at: keeper.time)
    #expect(keeper.ask() == "A2")
    keeper.pass(.milliseconds(250), yields: ["storeUp", "save A2 over A1#1"])
  }

  @Test func `a look at the row notices that the store works again`() throws {
    var keeper = try away(after: .seconds(60))
    keeper.pass(.seconds(1))
    keeper.load(try .pair(1), yields: ["load", "storeUp"])
    keeper.pass(.milliseconds(2999), yields: [])
  }

  // MARK: A file that cannot be written

  @Test(arguments: [StoreError.Code.full, .readOnly])
  func `a refresh continues without the lease when the file cannot be written`(code: StoreError.Code) throws {
    var keeper = TokenTranscript.starting(.machine, grants: false)
    keeper.load(try .pair(1, life: -5))
    keeper.apply(yields: ["load", "claim A1#1", "storeDown", "refresh R1"]) {
      $0.claimed(.failure(StoreError(code, "No.")), at: $1)
    }
    try keeper.give(2, yields: ["refreshed", "publish", "save A2 over A1#1"])
    #expect(keeper.state.current?.isDetached == false)
  }

  @Test func `a busy file is waited for until half of the renewal window is left`() throws {
    var keeper = try away(.machine, after: .seconds(6900))
    #expect(Set(refusing(&keeper, .milliseconds(149_900))) == ["claim A1#1"])
    #expect(refusing(&keeper, .milliseconds(200)).last == "refresh R1")
  }
}
