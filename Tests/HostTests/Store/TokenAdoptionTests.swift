import AdapterAPI
import Testing

@testable import Host

/// Which row is whose where EcoCtrl uses the table as well.
@Suite struct TokenAdoptionTests {
  private let long = Duration.seconds(30)

  private func ids(_ store: Store) async throws -> [String: Int64] {
    let rows = try await store.sql("SELECT coalesce(adapter, ''), id FROM iot_tokens")
    return Dictionary(uniqueKeysWithValues: rows.map { ($0.text(0), $0.integer(1)) })
  }

  @Test("the default adapter's row has the lowest id, whenever it is made", arguments: StoreKind.allCases)
  func lowestID(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .annex, holder: "a", replacing: nil)
      _ = try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long)
      _ = try await store.save(storedToken(2), .main.asDefault, holder: "a", replacing: nil)
      let ids = try await ids(store)
      #expect(try #require(ids["main"]) < #require(ids["annex"]))
      #expect(try await store.load(.main)?.token == storedToken(2))
      #expect(try await store.load(.annex)?.token == storedToken(1))
    }
  }

  @Test("the row of what became the default adapter moves below the others", arguments: StoreKind.allCases)
  func moves(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .annex.asDefault, holder: "a", replacing: nil)
      let pair = try await store.save(storedToken(2), .main, holder: "a", replacing: nil).savedPair
      let before = try await ids(store)
      #expect(try #require(before["main"]) > #require(before["annex"]))
      #expect(try await store.claim(.main.asDefault, holder: "a", seen: pair, for: long) == .granted)
      let after = try await ids(store)
      #expect(try #require(after["main"]) < #require(after["annex"]))
      #expect(after["annex"] == before["annex"])
      #expect(try await store.load(.main) == pair)
      try await store.release(.main, holder: "a")
      _ = try await store.claim(.main.asDefault, holder: "a", seen: pair, for: long)
      #expect(try await ids(store) == after)
    }
  }

  @Test("where there is no lower id a row stays where it is", arguments: StoreKind.allCases)
  func lowestOfAll(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .annex, holder: "a", replacing: nil)
      try await store.sql("UPDATE iot_tokens SET id = \(Int32.min)")
      #expect(try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long) == .granted)
      #expect(try await store.save(storedToken(2), .main.asDefault, holder: "a", replacing: nil).savedPair != nil)
    }
  }
}
