import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// What every store has to do; the keeper relies on nothing else.
@Suite(.blocking, .serialized) struct StoreConformance {
  @Test("an empty store has no pair", arguments: StoreKind.allCases)
  func empty(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      try await store.open()
      #expect(try await store.load(.main) == nil)
    }
  }

  @Test("what was saved is loaded again, all of it", arguments: StoreKind.allCases)
  func roundTrip(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      // PostgreSQL has no text with U+0000 in it.
      let refresh = (kind == .postgres ? "" : "\u{0}") + "ü💡 \"'; -- \\ \n $1 "
      let token = try Token(access: "a.b-c_d", refresh: refresh, expiresAt: .max, lifetime: -5)
      let saved = try await store.save(token, .main, holder: "me", replacing: nil)
      #expect(saved == .saved(StoredPair(token: token, version: 1)))
      #expect(try await store.load(.main) == StoredPair(token: token, version: 1))
    }
  }

  @Test("an empty refresh token stays an empty one", arguments: StoreKind.allCases)
  func emptyRefresh(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let token = try Token(access: "a", refresh: "", expiresAt: 1, lifetime: 1)
      _ = try await store.save(token, .main, holder: "me", replacing: nil)
      #expect(try await store.load(.main)?.token == token)
    }
  }

  @Test("every save counts the version up", arguments: StoreKind.allCases)
  func versions(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      var old: StoredPair?
      for n in 1...4 {
        let outcome = try await store.save(storedToken(n), .main, holder: "me", replacing: old)
        old = outcome.savedPair
        #expect(old?.version == Int64(n))
      }
    }
  }

  @Test("adapters have a row each", arguments: StoreKind.allCases)
  func adapters(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
      _ = try await store.save(storedToken(2), .annex, holder: "me", replacing: nil)
      #expect(try await store.load(.main)?.token == storedToken(1))
      #expect(try await store.load(.annex)?.token == storedToken(2))
    }
  }

  @Test("a pair of another upstream is not loaded, and is replaced", arguments: StoreKind.allCases)
  func otherUpstream(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .main, holder: "me", replacing: nil)
      #expect(try await store.load(.elsewhere) == nil)
      let outcome = try await store.save(storedToken(2), .elsewhere, holder: "me", replacing: nil)
      #expect(outcome.savedPair?.version == 2)
      #expect(try await store.load(.main) == nil)
      #expect(try await store.load(.elsewhere)?.token == storedToken(2))
    }
  }

  @Test("a writer who saw nothing loses against the row that is there", arguments: StoreKind.allCases)
  func lostBlind(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let outcome = try await store.save(storedToken(2), .main, holder: "me", replacing: nil)
      #expect(outcome.winner == first)
      #expect(try await store.load(.main) == first)
    }
  }

  @Test("a writer who saw an older row loses", arguments: StoreKind.allCases)
  func lostStale(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let second = try await store.save(storedToken(2), .main, holder: "me", replacing: first).savedPair
      let outcome = try await store.save(storedToken(3), .main, holder: "me", replacing: first)
      #expect(outcome.winner == second)
    }
  }

  @Test("the same version with another refresh token is a row that changed", arguments: StoreKind.allCases)
  func lostByRefreshToken(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      let first = try await store.save(storedToken(1), .main, holder: "me", replacing: nil).savedPair
      let imagined = StoredPair(token: try storedToken(9), version: try #require(first).version)
      let outcome = try await store.save(storedToken(2), .main, holder: "me", replacing: imagined)
      #expect(outcome.winner == first)
    }
  }

  @Test("of many writers who saw the same row exactly one wins", arguments: StoreKind.allCases)
  func race(kind: StoreKind) async throws {
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

  @Test("a closed store says so", arguments: StoreKind.allCases)
  func closed(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      await store.close()
      #expect(
        await storeErrorCode { () throws(StoreError) in
          _ = try await store.load(.main)
        } == .unavailable)
    }
  }
}
