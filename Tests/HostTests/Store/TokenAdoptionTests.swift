import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// The assignment of rows when EcoCtrl uses the same table.
@Suite(.blocking, .serialized, .stores) struct TokenAdoptionTests {
  private let long = Duration.seconds(30)

  @Test(arguments: Store.ofEachKind)
  func `the default adapter's row has the lowest id, whenever it is created`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .annex, holder: "a", replacing: nil)
    _ = try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long)
    _ = try await store.save(storedToken(2), .main.asDefault, holder: "a", replacing: nil)
    let ids = try await store.ids()
    #expect(try #require(ids["main"]) < #require(ids["annex"]))
    #expect(try await store.load(.main)?.token == storedToken(2))
    #expect(try await store.load(.annex)?.token == storedToken(1))
  }

  @Test(arguments: Store.ofEachKind)
  func `the row of a new default adapter moves below the remaining rows`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .annex.asDefault, holder: "a", replacing: nil)
    let pair = try await store.save(storedToken(2), .main, holder: "a", replacing: nil).savedPair
    let before = try await store.ids()
    #expect(try #require(before["main"]) > #require(before["annex"]))
    #expect(try await store.claim(.main.asDefault, holder: "a", seen: pair, for: long) == .granted)
    let after = try await store.ids()
    #expect(try #require(after["main"]) < #require(after["annex"]))
    #expect(after["annex"] == before["annex"])
    #expect(try await store.load(.main) == pair)
    try await store.release(.main, holder: "a")
    _ = try await store.claim(.main.asDefault, holder: "a", seen: pair, for: long)
    #expect(try await store.ids() == after)
  }

  @Test(arguments: Store.ofEachKind)
  func `a row keeps its id when there is no lower one`(store: Store) async throws {
    _ = try await store.save(storedToken(1), .annex, holder: "a", replacing: nil)
    try await store.sql("UPDATE iot_tokens SET id = \(Int32.min)")
    #expect(try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long) == .granted)
    #expect(try await store.save(storedToken(2), .main.asDefault, holder: "a", replacing: nil).savedPair != nil)
  }
}

/// The adoption of EcoCtrl's own row.
@Suite(.blocking, .serialized) struct EcoCtrlRowTests {
  private let long = Duration.seconds(30)
  private let server: PostgresServer
  private let url: String
  private let store: Store

  /// Makes a database as EcoCtrl leaves it, without conflicting tables.
  init() throws {
    server = try PostgresServer.shared()
    url = try server.newDatabase()
    store = Store(PostgresDatabase(url))
    try server.sql(
      """
      CREATE TABLE iot_tokens (id serial PRIMARY KEY, access_token text NOT NULL, refresh_token text NOT NULL,
        expires_at bigint NOT NULL);
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at)
      VALUES ('', 'empty', 0), ('theirs', 'r1', 1800000000000), ('later', 'r2', 1800000000000)
      """, database: url)
  }

  @Test func `a row that names no adapter is adopted once, unchanged`() async throws {
    #expect(try await store.load(.main) == nil)
    let pair = try #require(try await store.load(.main.adopting))
    #expect(pair.token.access == "theirs" && pair.token.refresh == "r1" && pair.version == 1)
    #expect(pair.token.expiresAt == 1_800_000_000_000 && pair.token.lifetime == 0)
    #expect(try await store.ids()["main"] == 2)
    let again = try await store.load(.main)
    #expect(again?.isUnchanged(since: pair) == true)
    // The remaining row stays for another adapter, because this one has its row.
    let saved = try await store.save(storedToken(1), .main.adopting, holder: "a", replacing: pair).savedPair
    #expect(saved?.version == 2)
    #expect(try await store.load(.main.adopting) == saved)
    #expect(try await store.number("SELECT count(*) FROM iot_tokens WHERE adapter IS NULL") == 2)
  }

  @Test func `claiming and saving also adopt EcoCtrl's row`() async throws {
    let claimed = try await store.claim(.main.adopting, holder: "a", seen: nil, for: long)
    let pair = try #require(claimed.changedPair)
    #expect(pair.token.access == "theirs")
    #expect(try await store.claim(.main.adopting, holder: "a", seen: pair, for: long) == .granted)
    let outcome = try await store.save(storedToken(1), .annex.adopting, holder: "a", replacing: nil)
    #expect(outcome.winner?.token.refresh == "r2")
  }

  @Test func `concurrent adoptions take one row`() async throws {
    let stores = (0..<4).map { _ in Store(PostgresDatabase(url)) }
    let pairs = try await concurrently(stores) { try await $0.load(.main.adopting)?.token.access }
    #expect(pairs == ["theirs", "theirs", "theirs", "theirs"])
    #expect(try await store.number("SELECT count(*) FROM iot_tokens WHERE adapter = 'main'") == 1)
    #expect(try await store.number("SELECT count(*) FROM iot_tokens") == 3)
  }

  @Test func `the default adapter's row gets an id below EcoCtrl's rows`() async throws {
    #expect(try await store.claim(.main.asDefault, holder: "a", seen: nil, for: long) == .granted)
    #expect(try await store.save(storedToken(1), .main.asDefault, holder: "a", replacing: nil).savedPair != nil)
    // EcoCtrl's query.
    let access = try server.sql(
      "SELECT access_token FROM iot_tokens ORDER BY id LIMIT 1", database: url)
    #expect(access == "access-1")
  }

  @Test func `EcoCtrl's write to an adopted row is detected`() async throws {
    let pair = try await store.load(.main.adopting)
    try server.sql(
      "UPDATE iot_tokens SET access_token = 'newer', refresh_token = 'r9' WHERE id = 2", database: url)
    let theirs = try await store.claim(.main, holder: "a", seen: pair, for: long).changedPair
    #expect(theirs?.token.access == "newer")
  }
}

extension Store {
  /// Returns the id of each adapter's row.
  fileprivate func ids() async throws -> [String: Int64] {
    let rows = try await sql("SELECT adapter, id FROM iot_tokens WHERE adapter IS NOT NULL")
    return Dictionary(uniqueKeysWithValues: rows.map { ($0.text(0), $0.integer(1)) })
  }
}
