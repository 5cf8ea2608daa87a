import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// The assignment of rows when EcoCtrl uses the same table.
@Suite(.blocking, .serialized) struct TokenAdoptionTests {
  private let long = Duration.seconds(30)

  private func ids(_ store: Store) async throws -> [String: Int64] {
    let rows = try await store.sql("SELECT adapter, id FROM iot_tokens WHERE adapter IS NOT NULL")
    return Dictionary(uniqueKeysWithValues: rows.map { ($0.text(0), $0.integer(1)) })
  }

  @Test(arguments: StoreKind.allCases)
  func `the default adapter's row has the lowest id, whenever it is created`(kind: StoreKind) async throws {
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

  @Test(arguments: StoreKind.allCases)
  func `the row of a new default adapter moves below the remaining rows`(kind: StoreKind) async throws {
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

  @Test(arguments: StoreKind.allCases)
  func `a row keeps its id when there is no lower one`(kind: StoreKind) async throws {
    try await withStore(kind) { store in
      _ = try await store.save(storedToken(1), .annex, holder: "a", replacing: nil)
      try await store.sql("UPDATE iot_tokens SET id = \(Int32.min)")
      #expect(try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long) == .granted)
      #expect(try await store.save(storedToken(2), .main.asDefault, holder: "a", replacing: nil).savedPair != nil)
    }
  }

  // MARK: EcoCtrl's own row

  /// Runs a test on a database as EcoCtrl leaves it, without conflicting tables.
  private func withEcoCtrl(_ count: Int, _ body: ([Store], _ url: String) async throws -> Void) async throws {
    let server = try PostgresServer.shared()
    let url = try server.newDatabase()
    try server.sql(
      """
      CREATE TABLE iot_tokens (id serial PRIMARY KEY, access_token text NOT NULL, refresh_token text NOT NULL,
        expires_at bigint NOT NULL);
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at)
      VALUES ('', 'empty', 0), ('theirs', 'r1', 1800000000000), ('later', 'r2', 1800000000000)
      """, database: url)
    let stores = (0..<count).map { _ in
      Store(PostgresDatabase(url: Secret(url), schema: "public", migrate: true))
    }
    try await body(stores, url)
    for store in stores { await store.close() }
  }

  @Test func `a row that names no adapter is adopted once, unchanged`() async throws {
    try await withEcoCtrl(1) { stores, _ in
      let store = stores[0]
      #expect(try await store.load(.main) == nil)
      let pair = try #require(try await store.load(.main.adopting))
      #expect(pair.token.access == "theirs" && pair.token.refresh == "r1" && pair.version == 1)
      #expect(pair.token.lifetime > 0 && pair.token.lifetime < pair.token.expiresAt)
      #expect(try await ids(store)["main"] == 2)
      let again = try await store.load(.main)
      #expect(again?.isUnchanged(since: pair) == true)
      // The remaining row stays for another adapter, because this one has its row.
      let saved = try await store.save(storedToken(1), .main.adopting, holder: "a", replacing: pair).savedPair
      #expect(saved?.version == 2)
      #expect(try await store.load(.main.adopting) == saved)
      #expect(try await store.number("SELECT count(*) FROM iot_tokens WHERE adapter IS NULL") == 2)
    }
  }

  @Test func `claiming and saving also adopt EcoCtrl's row`() async throws {
    try await withEcoCtrl(1) { stores, _ in
      let store = stores[0]
      guard case .changed(let pair) = try await store.claim(.main.adopting, holder: "a", seen: nil, for: long) else {
        Issue.record("EcoCtrl's pair was not seen")
        return
      }
      #expect(pair.token.access == "theirs")
      #expect(try await store.claim(.main.adopting, holder: "a", seen: pair, for: long) == .granted)
      let outcome = try await store.save(storedToken(1), .annex.adopting, holder: "a", replacing: nil)
      #expect(outcome.winner?.token.refresh == "r2")
    }
  }

  @Test func `concurrent adoptions take one row`() async throws {
    try await withEcoCtrl(4) { stores, _ in
      let pairs = try await withThrowingTaskGroup(of: String?.self) { group in
        for store in stores { group.addTask { try await store.load(.main.adopting)?.token.access } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(pairs == ["theirs", "theirs", "theirs", "theirs"])
      #expect(try await stores[0].number("SELECT count(*) FROM iot_tokens WHERE adapter = 'main'") == 1)
      #expect(try await stores[0].number("SELECT count(*) FROM iot_tokens") == 3)
    }
  }

  @Test func `the default adapter's row gets an id below EcoCtrl's rows`() async throws {
    try await withEcoCtrl(1) { stores, url in
      #expect(try await stores[0].claim(.main.asDefault, holder: "a", seen: nil, for: long) == .granted)
      #expect(try await stores[0].save(storedToken(1), .main.asDefault, holder: "a", replacing: nil).savedPair != nil)
      // EcoCtrl's query.
      let access = try PostgresServer.shared().sql(
        "SELECT access_token FROM iot_tokens ORDER BY id LIMIT 1", database: url)
      #expect(access == "access-1")
    }
  }

  @Test func `EcoCtrl's write to an adopted row is detected`() async throws {
    try await withEcoCtrl(1) { stores, url in
      let pair = try await stores[0].load(.main.adopting)
      try PostgresServer.shared().sql(
        "UPDATE iot_tokens SET access_token = 'newer', refresh_token = 'r9' WHERE id = 2", database: url)
      guard case .changed(let theirs) = try await stores[0].claim(.main, holder: "a", seen: pair, for: long) else {
        Issue.record("EcoCtrl's write was not seen")
        return
      }
      #expect(theirs.token.access == "newer")
    }
  }
}
