import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// The token operations, on every kind of store. `TokenKeeper` relies on nothing else.
@Suite(.blocking, .serialized) struct StoreConformance {
  @Test(arguments: StoreKind.allCases)
  func `an empty store has no pair`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      try await store.open()
      #expect(try await store.load(.main) == nil)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a saved pair is loaded completely`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      // PostgreSQL can't store U+0000 in texts.
      let refresh = (kind == .postgres ? "" : "\u{0}") + "ü💡 \"'; -- \\ \n $1 "
      let token = try Token(access: "a.b-c_d", refresh: refresh, expiresAt: .max, lifetime: -5)
      let saved = try await store.save(token, .main, holder: "me", replacing: nil)
      #expect(saved == .saved(StoredPair(token: token, version: 1)))
      #expect(try await store.load(.main) == StoredPair(token: token, version: 1))
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an empty refresh token stays empty`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let token = try Token(access: "a", refresh: "", expiresAt: 1, lifetime: 1)
      _ = try await store.save(token, .main, holder: "me", replacing: nil)
      #expect(try await store.load(.main)?.token == token)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `every save increments the version`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      var old: StoredPair?
      for n in 1...4 {
        let outcome = try await store.save(storedToken(n), .main, holder: "me", replacing: old)
        old = outcome.savedPair
        #expect(old?.version == Int64(n))
      }
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `each adapter has its own row`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
      _ = try await store.save(storedToken(2), .annex, holder: "me", replacing: nil)
      #expect(try await store.load(.main)?.token == storedToken(1))
      #expect(try await store.load(.annex)?.token == storedToken(2))
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a pair of another upstream is not loaded but replaced`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
      #expect(try await store.load(.elsewhere) == nil)
      let outcome = try await store.save(storedToken(2), .elsewhere, holder: "me", replacing: nil)
      #expect(outcome.savedPair?.version == 2)
      #expect(try await store.load(.main) == nil)
      #expect(try await store.load(.elsewhere)?.token == storedToken(2))
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `saving without having seen the row is lost`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let outcome = try await store.save(storedToken(2), .main, holder: "me", replacing: nil)
      #expect(outcome.winner == first)
      #expect(try await store.load(.main) == first)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `saving after having seen an older row is lost`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let second = try await store.save(storedToken(2), .main, holder: "me", replacing: first).savedPair
      let outcome = try await store.save(storedToken(3), .main, holder: "me", replacing: first)
      #expect(outcome.winner == second)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a row with the same version and another refresh token has changed`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let imagined = StoredPair(token: try storedToken(9), version: try #require(first).version)
      let outcome = try await store.save(storedToken(2), .main, holder: "me", replacing: imagined)
      #expect(outcome.winner == first)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `of many writers that saw the same row, exactly one saves`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(0), .main, holder: "me", replacing: nil).savedPair
      let outcomes = try await withThrowingTaskGroup(of: SaveOutcome.self) { group in
        for n in 1...20 {
          group.addTask {
            try await store.save(storedToken(n), .main, holder: "me", replacing: first)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let winners = outcomes.compactMap(\.savedPair)
      #expect(winners.count == 1)
      #expect(outcomes.compactMap(\.winner) == Array(repeating: winners.first, count: 19))
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a closed store throws unavailable`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      await store.close()
      #expect(
        await storeErrorCode { () throws(StoreError) in
          _ = try await store.load(.main)
        } == .unavailable)
    }
  }
}
