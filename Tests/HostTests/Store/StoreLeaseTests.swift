import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// Leases of token rows, on every engine.
@Suite(.blocking, .serialized, .stores) struct StoreLeaseTests {
  private let long = Duration.seconds(30)

  @Test(arguments: Store.ofEachKind)
  func `the first claim gets the lease, and its holder may claim it again`(store: Store) async throws {
    #expect(try await store.claim(.main, holder: "a", seen: nil, for: long) == .granted)
    #expect(try await store.claim(.main, holder: "a", seen: nil, for: long) == .granted)
    let left = try #require(try await store.claim(.main, holder: "b", seen: nil, for: long).timeLeft)
    #expect(left > .seconds(20) && left <= long)
    #expect(try await store.claim(.annex, holder: "b", seen: nil, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `a leased row without a pair loads as no pair`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "a", seen: nil, for: long)
    #expect(try await store.load(.main) == nil)
    #expect(try await store.tokenRows().map(\.fingerprint) == [nil])
    let saved = try await store.save(storedToken(1), .main, holder: "a", replacing: nil)
    #expect(saved.savedPair?.version == 1)
    #expect(try await store.load(.main) == saved.savedPair)
  }

  @Test(arguments: Store.ofEachKind)
  func `releasing a lease without a pair deletes the row`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "a", seen: nil, for: long)
    try await store.release(.main, holder: "b")
    #expect(try await store.number("SELECT count(*) FROM iot_tokens") == 1)
    try await store.release(.main, holder: "a")
    #expect(try await store.number("SELECT count(*) FROM iot_tokens") == 0)
    #expect(try await store.claim(.main, holder: "b", seen: nil, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `releasing a lease keeps the pair and its version`(store: Store) async throws {
    let pair = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    #expect(try await store.claim(.main, holder: "a", seen: pair, for: long) == .granted)
    try await store.release(.main, holder: "b")
    #expect(try await store.claim(.main, holder: "b", seen: pair, for: long).isHeld)
    try await store.release(.main, holder: "a")
    #expect(try await store.load(.main) == pair)
    #expect(try await store.claim(.main, holder: "b", seen: pair, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `another program's new access token is detected`(store: Store) async throws {
    let pair = try #require(try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair)
    try await store.sql("UPDATE iot_tokens SET access_token = 'theirs', expires_at = expires_at + 60000")
    let theirs = try #require(try await store.load(.main))
    #expect(theirs.version == pair.version && theirs.token.refresh == pair.token.refresh)
    #expect(try await store.claim(.main, holder: "b", seen: pair, for: long) == .changed(theirs))
    #expect(try await store.save(storedToken(2), .main, holder: "b", replacing: pair).winner == theirs)
    #expect(try await store.claim(.main, holder: "b", seen: theirs, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `claim reports a changed row before it decides on the lease`(store: Store) async throws {
    let first = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    let second = try #require(try await store.save(storedToken(2), .main, holder: "a", replacing: first).savedPair)
    #expect(try await store.claim(.main, holder: "b", seen: nil, for: long) == .changed(second))
    #expect(try await store.claim(.main, holder: "b", seen: first, for: long) == .changed(second))
    #expect(try await store.claim(.main, holder: "a", seen: second, for: long) == .granted)
    #expect(try await store.claim(.main, holder: "b", seen: first, for: long) == .changed(second))
    #expect(try await store.claim(.main, holder: "b", seen: second, for: long).isHeld)
  }

  @Test(arguments: Store.ofEachKind)
  func `a write without a new version is detected`(store: Store) async throws {
    let pair = try #require(try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair)
    try await store.sql("UPDATE iot_tokens SET access_token = 'theirs', refresh_token = 'r2', expires_at = 9000")
    let theirs = try #require(try await store.claim(.main, holder: "a", seen: pair, for: long).changedPair)
    #expect(theirs.token.access == "theirs" && theirs.version == pair.version)
    #expect(try await store.save(storedToken(2), .main, holder: "a", replacing: pair).winner == theirs)
    #expect(try await store.save(storedToken(2), .main, holder: "a", replacing: theirs).savedPair?.version == 2)
  }

  @Test(arguments: Store.ofEachKind)
  func `saving releases the lease, and is refused while another holder has it`(store: Store) async throws {
    let pair = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    #expect(try await store.claim(.main, holder: "a", seen: pair, for: long) == .granted)
    #expect(try await store.save(storedToken(9), .main, holder: "b", replacing: pair).isLeased)
    #expect(try await store.save(storedToken(9), .elsewhere, holder: "b", replacing: nil).isLeased)
    #expect(try await store.load(.main) == pair)
    let next = try await store.save(storedToken(2), .main, holder: "a", replacing: pair).savedPair
    #expect(try await store.extend(.main, holder: "a", for: long) == false)
    #expect(try await store.claim(.main, holder: "b", seen: next, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `a lost save releases the lease`(store: Store) async throws {
    let pair = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    _ = try await store.claim(.main, holder: "a", seen: pair, for: long)
    try await store.sql("UPDATE iot_tokens SET refresh_token = 'r2'")
    let winner = try await store.save(storedToken(2), .main, holder: "a", replacing: pair).winner
    #expect(winner?.token.refresh == "r2")
    #expect(try await store.claim(.main, holder: "b", seen: winner, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `a lease expires by the database's clock, and its former holder can't save`(store: Store) async throws {
    let pair = try await store.save(storedToken(1), .main, holder: "frozen", replacing: nil).savedPair
    #expect(try await store.claim(.main, holder: "frozen", seen: pair, for: .milliseconds(300)) == .granted)
    #expect(try await store.claim(.main, holder: "next", seen: pair, for: long).isHeld)
    try await granted(store, .main, holder: "next", seen: pair)
    #expect(try await store.extend(.main, holder: "frozen", for: long) == false)
    #expect(try await store.save(storedToken(2), .main, holder: "frozen", replacing: pair).isLeased)
    try await store.release(.main, holder: "frozen")
    #expect(try await store.save(storedToken(3), .main, holder: "next", replacing: pair).savedPair?.version == 2)
    #expect(try await store.save(storedToken(2), .main, holder: "frozen", replacing: pair).winner?.version == 2)
  }

  @Test(arguments: Store.ofEachKind)
  func `the lease of a row without a pair expires`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "killed", seen: nil, for: .milliseconds(200))
    try await granted(store, .main, holder: "next", seen: nil)
    #expect(try await store.save(storedToken(1), .main, holder: "next", replacing: nil).savedPair?.version == 1)
  }

  @Test(arguments: Store.ofEachKind)
  func `an extended lease stays valid`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "a", seen: nil, for: .milliseconds(50))
    #expect(try await store.extend(.main, holder: "a", for: long))
    let left = try await store.claim(.main, holder: "b", seen: nil, for: long).timeLeft
    #expect(left ?? .zero > .seconds(20))
    #expect(try await store.extend(.main, holder: "b", for: long) == false)
    #expect(try await store.extend(.annex, holder: "a", for: long) == false)
  }

  @Test(arguments: Store.ofEachKind)
  func `an expired lease that was not taken may be extended`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "a", seen: nil, for: .zero)
    #expect(try await store.extend(.main, holder: "a", for: long))
    #expect(try await store.claim(.main, holder: "b", seen: nil, for: long).isHeld)
  }

  @Test(arguments: Store.ofEachKind)
  func `a lease from before the clock was set back is ignored`(store: Store) async throws {
    _ = try await store.claim(.main, holder: "a", seen: nil, for: .seconds(100_000))
    #expect(try await store.claim(.main, holder: "b", seen: nil, for: long).isHeld)
    try await store.sql("UPDATE iot_tokens SET lease_until = \(Int64.max)")
    #expect(try await store.claim(.main, holder: "b", seen: nil, for: long) == .granted)
  }

  @Test(arguments: Store.ofEachKind)
  func `a row of another upstream is leased unchanged and overwritten`(store: Store) async throws {
    let old = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    #expect(try await store.claim(.elsewhere, holder: "a", seen: nil, for: long) == .granted)
    #expect(try await store.load(.main) == old)
    #expect(try await store.load(.elsewhere) == nil)
    let saved = try await store.save(storedToken(2), .elsewhere, holder: "a", replacing: nil).savedPair
    #expect(saved?.version == 2)
    #expect(try await store.load(.elsewhere) == saved)
    #expect(try await store.load(.main) == nil)
  }

  @Test(arguments: Store.ofEachKind)
  func `a row that was deleted by hand is created again`(store: Store) async throws {
    let pair = try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair
    try await store.sql("DELETE FROM iot_tokens")
    #expect(try await store.extend(.main, holder: "a", for: long) == false)
    #expect(try await store.save(storedToken(2), .main, holder: "a", replacing: pair).savedPair?.version == 2)
    #expect(try await store.load(.main)?.token == storedToken(2))
  }

  @Test(arguments: Store.ofEachKind)
  func `token rows for display never contain the token`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .main, holder: "host-1", replacing: nil)
    _ = try await store.claim(.annex, holder: "host-2", seen: nil, for: long)
    let rows = try await store.tokenRows { String($0.suffix(1)) }
    let first = try #require(rows.first)
    #expect(rows.map(\.adapter) == ["main", "annex"])
    #expect(rows.map(\.isLeased) == [false, true])
    #expect(first.upstream == "webtalk http://10.0.0.1")
    #expect(first.expiresAt == 1_800_000_000_000 && first.version == 1 && first.updatedBy == "host-1")
    #expect(first.updatedAt ?? 0 > 1_700_000_000_000)
    #expect(first.fingerprint == "1")
    #expect(!"\(rows)".contains("access-1") && !"\(rows)".contains("refresh-1") && !"\(rows)".contains("ab12"))
  }

  // MARK: Several connections

  @Test(arguments: StoreKind.shared)
  func `of concurrent claims exactly one gets the lease`(kind: StoreKind) async throws {
    try await withStores(kind, 4) { stores in
      let long = long
      var pair: StoredPair?
      for round in 1...8 {
        let seen = pair
        let outcomes = try await concurrently(stores.indices) { index in
          (index, try await stores[index].claim(.main, holder: "h\(index)", seen: seen, for: long))
        }
        let winners = outcomes.filter { $0.1 == .granted }
        #expect(winners.count == 1)
        #expect(outcomes.filter(\.1.isHeld).count == 3)
        let (index, _) = try #require(winners.first)
        if round % 2 == 0 {
          pair = try await stores[index].save(storedToken(round), .main, holder: "h\(index)", replacing: seen).savedPair
          #expect(pair != nil)
        } else {
          try await stores[index].release(.main, holder: "h\(index)")
        }
      }
      #expect(pair?.version == 4)
    }
  }

  @Test(arguments: StoreKind.shared)
  func `of concurrent saves that saw the same row or none, exactly one succeeds`(kind: StoreKind) async throws {
    try await withStores(kind, 4) { stores in
      var seen: StoredPair?
      for round in 0...10 {
        let old = seen
        let outcomes = try await concurrently(stores.indices) { index in
          try await stores[index].save(storedToken(4 * round + index), .main, holder: "h\(index)", replacing: old)
        }
        let winners = outcomes.compactMap(\.savedPair)
        #expect(winners.count == 1)
        #expect(outcomes.compactMap(\.winner) == Array(repeating: winners.first, count: 3))
        #expect(try await stores[0].number("SELECT count(*) FROM iot_tokens") == 1)
        seen = winners.first
      }
    }
  }

  /// Claims repeatedly until the present lease has expired.
  private func granted(_ store: Store, _ key: TokenKey, holder: String, seen: StoredPair?) async throws {
    try #require(
      try await eventually {
        try await store.claim(key, holder: holder, seen: seen, for: long) == .granted
      }, "the lease ends")
  }
}
