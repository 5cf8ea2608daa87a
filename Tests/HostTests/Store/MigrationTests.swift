import Foundation
import Testing

@testable import Host

/// Migrations of SQLite files.
@Suite struct MigrationTests {
  private let folder = StoreFolder()

  private var path: String { folder.file("a.db") }

  private func store(_ mode: SQLiteConnection.Mode = .writable(mayMigrate: true)) -> Store {
    Store(SQLiteDatabase(path: path, mode))
  }

  /// Makes a file as the first version of the gateway left it, with one row.
  private func makeFirstVersion() throws {
    let connection = try SQLiteConnection(path: path)
    try connection.execute(
      """
      DROP TABLE objects; DROP TABLE dashboard_widgets; DROP TABLE iot_tokens; DROP TABLE read_codes;
      DELETE FROM schema_migrations WHERE version > 1;
      """)
    for statement in Migration.tokens.statements(.sqlite) { try connection.execute(statement) }
    try connection.execute(
      """
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at, adapter, upstream, version, lifetime_ms)
      VALUES ('a', 'r', 9000, 'main', '\(TokenKey.main.upstream)', 5, 7000)
      """)
  }

  @Test func `migrations have ascending versions, unique names and a description`() {
    #expect(Migration.all.map(\.version) == Array(1...Int64(Migration.all.count)))
    #expect(Set(Migration.all.map(\.name)).count == Migration.all.count)
    #expect(Migration.all.map(\.effect).first == "1 tokens: creates table iot_tokens")
    #expect(Migration.tokenLeases.effect.contains("adds updated_by, lease_holder, lease_until to table iot_tokens"))
  }

  @Test func `migration of an older file keeps its rows`() async throws {
    try makeFirstVersion()
    let pending = try await store().database.pendingMigrations()
    #expect(pending.map { $0.prefix(2) } == ["2 ", "3 ", "4 ", "5 ", "6 ", "7 "])
    let pair = try #require(try await store().load(.main))
    #expect(pair.version == 5 && pair.token.access == "a" && pair.token.lifetime == 7000)
    #expect(try await store().claim(.main, holder: "a", seen: pair, for: .seconds(5)) == .granted)
    #expect(try await store().database.pendingMigrations() == [])
  }

  @Test func `pendingMigrations lists the steps and changes nothing`() async throws {
    let names = try await store().database.pendingMigrations()
    #expect(names.count == 1 && names[0].contains("creates the file"))
    #expect(!FileManager.default.fileExists(atPath: path))
    try makeFirstVersion()
    for _ in 1...2 { #expect(try await store().database.pendingMigrations().count == 6) }
  }

  @Test func `with migrate false, an old schema is refused and unchanged, and a current one works`() async throws {
    func outdated() async -> StoreError? {
      await storeError { try await store(.writable(mayMigrate: false)).open() }
    }
    #expect(await outdated()?.code == .outdated)
    #expect(!FileManager.default.fileExists(atPath: path))
    try makeFirstVersion()
    let error = await outdated()
    #expect(error?.code == .outdated && error?.message.contains("migrate") == true)
    #expect(error?.message.contains("3 objects: creates table objects") == true)
    #expect(try await store().database.pendingMigrations().count == 6)
    #expect(await storeError { try await store(.readOnly).tokenRows() }?.code == .outdated)
    try await store().open()
    #expect(await outdated() == nil)
  }

  @Test func `a failed migration step leaves the file unchanged`() async throws {
    let connection = try SQLiteConnection(path: path)
    try connection.execute(
      "DELETE FROM schema_migrations WHERE version > 3; DROP TABLE dashboard_widgets; DROP TABLE read_codes")
    // An index also occupies the name.
    try connection.execute("CREATE INDEX dashboard_widgets ON objects (name)")
    #expect(await storeError { try await store().open() }?.code == .unavailable)
    #expect(try connection.integer("SELECT max(version) FROM schema_migrations") == 3)
  }

  @Test func `an unexpected table creates the file foreign`() async throws {
    let connection = try SQLiteConnection(path: path)
    try connection.execute("DELETE FROM schema_migrations WHERE version >= 3; DROP TABLE objects")
    #expect(await storeError { try await store().open() }?.code == .foreign)
    #expect(try connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'objects'") == 0)
  }
}
