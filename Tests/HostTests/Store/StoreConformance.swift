import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// The token operations, on every kind of store, and the end of a store. `TokenKeeper` relies on nothing else.
@Suite(.blocking, .serialized, .stores) struct StoreConformance {
  @Test(arguments: Store.ofEachKind)
  func `an empty store has no pair`(store: Store) async throws {
    try await store.open()
    #expect(try await store.load(.main) == nil)
  }

  @Test(arguments: Store.ofEachKind)
  func `a saved pair is loaded completely`(store: Store) async throws {
    // PostgreSQL can't store U+0000 in texts.
    let refresh = (store.testDescription == "postgres" ? "" : "\u{0}") + "ü💡 \"'; -- \\ \n $1 "
    let token = try Token(access: "a.b-c_d", refresh: refresh, expiresAt: .max, lifetime: -5)
    let saved = try await store.save(token, .main, holder: "me", replacing: nil)
    #expect(saved == .saved(StoredPair(token: token, version: 1)))
    #expect(try await store.load(.main) == StoredPair(token: token, version: 1))
  }

  @Test(arguments: Store.ofEachKind)
  func `an empty refresh token stays empty`(store: Store) async throws {
    let token = try Token(access: "a", refresh: "", expiresAt: 1, lifetime: 1)
    _ = try await store.save(token, .main, holder: "me", replacing: nil)
    #expect(try await store.load(.main)?.token == token)
  }

  @Test(arguments: Store.ofEachKind)
  func `every save increments the version`(store: Store) async throws {
    var old: StoredPair?
    for n in 1...4 {
      let outcome = try await store.save(storedToken(n), .main, holder: "me", replacing: old)
      old = outcome.savedPair
      #expect(old?.version == Int64(n))
    }
  }

  @Test(arguments: Store.ofEachKind)
  func `each adapter has its own row`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    _ = try await store.save(storedToken(2), .annex, holder: "me", replacing: nil)
    #expect(try await store.load(.main)?.token == storedToken(1))
    #expect(try await store.load(.annex)?.token == storedToken(2))
  }

  @Test(arguments: Store.ofEachKind)
  func `a pair of another upstream is not loaded but replaced`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
    #expect(try await store.load(.elsewhere) == nil)
    let outcome = try await store.save(storedToken(2), .elsewhere, holder: "me", replacing: nil)
    #expect(outcome.savedPair?.version == 2)
    #expect(try await store.load(.main) == nil)
    #expect(try await store.load(.elsewhere)?.token == storedToken(2))
  }

  @Test(arguments: Store.ofEachKind)
  func `saving is lost for a caller that saw no row, an older or a different one`(store: Store) async throws {
    let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
    // The same version with another refresh token is another row.
    let imagined = StoredPair(token: try storedToken(9), version: try #require(first).version)
    for seen in [nil, imagined] {
      #expect(try await store.save(storedToken(2), .main, holder: "me", replacing: seen).winner == first)
      #expect(try await store.load(.main) == first)
    }
    let second = try await store.save(storedToken(2), .main, holder: "me", replacing: first).savedPair
    #expect(try await store.save(storedToken(3), .main, holder: "me", replacing: first).winner == second)
  }

  @Test(arguments: Store.ofEachKind)
  func `of many writers that saw the same row, exactly one saves`(store: Store) async throws {
    let first = try await store.save(storedToken(0), .main, holder: "me", replacing: nil).savedPair
    let outcomes = try await concurrently(1...20) { n in
      try await store.save(storedToken(n), .main, holder: "me", replacing: first)
    }
    let winners = outcomes.compactMap(\.savedPair)
    #expect(winners.count == 1)
    #expect(outcomes.compactMap(\.winner) == Array(repeating: winners.first, count: 19))
  }

  @Test(arguments: Store.ofEachKind)
  func `a closed store throws unavailable`(store: Store) async throws {
    await store.close()
    #expect(await storeError { try await store.load(.main) }?.code == .unavailable)
    #expect(await storeError { try await store.object(id: id(1)) }?.code == .unavailable)
  }
}
