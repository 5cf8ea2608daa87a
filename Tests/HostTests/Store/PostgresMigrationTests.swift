import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// Migrations of PostgreSQL schemas, and the tables that they must not change.
@Suite(.blocking, .serialized) struct PostgresMigrationTests {
  private let server: PostgresServer
  private let url: String

  private static let ecoCtrl = """
    CREATE TABLE iot_tokens (id serial PRIMARY KEY, access_token text NOT NULL, refresh_token text NOT NULL,
      expires_at bigint NOT NULL);
    INSERT INTO iot_tokens (access_token, refresh_token, expires_at) VALUES ('theirs', 'r1', 1800000000000)
    """
  private static let catalogue = """
    CREATE TABLE models (id uuid PRIMARY KEY);
    CREATE TABLE objects (id uuid PRIMARY KEY, code varchar(255), name varchar(255),
      model_id uuid NOT NULL REFERENCES models ON DELETE CASCADE);
    CREATE TABLE dashboard_widgets (id uuid PRIMARY KEY, metric_key varchar(50) NOT NULL UNIQUE)
    """

  init() throws {
    server = try PostgresServer.shared()
    url = try server.newDatabase()
  }

  private func sql(_ text: String) throws -> String { try server.sql(text, database: url) }

  private func database(schema: String = "public", migrate: Bool = true, user: String? = nil) -> PostgresDatabase {
    let url = user.map { self.url.replacing("postgres@", with: "\($0)@") } ?? self.url
    return PostgresDatabase(url: Secret(url), schema: schema, migrate: migrate)
  }

  private func error(opening database: PostgresDatabase) async -> StoreError? {
    let error = await storeError { try await database.open() }
    await database.close()
    return error
  }

  /// Lists all schemas, tables and columns, to detect changes.
  private func everything() throws -> String {
    try sql(
      """
      SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.attnum > 0 ORDER BY 1, 2, a.attnum
      """) + sql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1")
  }

  @Test func `an empty database is migrated once, with the steps that were announced`() async throws {
    let lines = try await database().pendingMigrations()
    #expect(lines == Migration.all.map(\.effect))
    #expect(try sql("SELECT count(*) FROM pg_class WHERE relname = 'schema_migrations'") == "0")
    for _ in 1...2 { #expect(await error(opening: database()) == nil) }
    #expect(
      try sql("SELECT version, name FROM schema_migrations ORDER BY version")
        == "1|tokens\n2|token_leases\n3|objects\n4|widgets\n5|objects_by_hand\n6|widgets_by_hand\n7|read_codes")
    #expect(try sql("SELECT bool_and(applied_at > 1700000000000) FROM schema_migrations") == "t")
    #expect(try await database().pendingMigrations() == [])
  }

  @Test func `both engines have the same tables and columns`() async throws {
    #expect(await error(opening: database()) == nil)
    let sqlite = try SQLiteConnection(path: nil)
    for table in ["iot_tokens", "objects", "dashboard_widgets", "read_codes", "schema_migrations"] {
      let theirs = try sql(
        "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns "
          + "WHERE table_schema = 'public' AND table_name = '\(table)'")
      let ours = try sqlite.query("SELECT name FROM pragma_table_info($1) ORDER BY cid", [.text(table)])
      #expect(ours.map { $0.text(0) }.joined(separator: " ") == theirs, "\(table)")
    }
  }

  @Test func `a missing schema is created`() async throws {
    let name = "point \"gate\""
    #expect(try await database(schema: name).pendingMigrations().first == "creates schema \(name)")
    #expect(await error(opening: database(schema: name, migrate: false))?.code == .outdated)
    #expect(await error(opening: database(schema: name)) == nil)
    #expect(try sql("SELECT count(*) FROM \"point \"\"gate\"\"\".objects") == "0")
    #expect(try sql("SELECT count(*) FROM pg_class WHERE relname = 'objects'") == "1")
    #expect(try await database(schema: name).pendingMigrations() == [])
  }

  @Test func `concurrent opens of an empty database migrate it once, also for a process that may not`() async throws {
    let careful = database(schema: "pointgate", migrate: false)
    #expect(try await careful.pendingMigrations().count == Migration.all.count + 1)
    #expect(await storeError { try await careful.open() }?.code == .outdated)
    let databases = (0..<4).map { _ in database(schema: "pointgate") }
    _ = try await concurrently(databases) { try await $0.open() }
    #expect(try sql("SELECT count(*) FROM pointgate.schema_migrations") == "\(Migration.all.count)")
    #expect(try await databases[0].pendingMigrations().isEmpty)
    try #require(
      await eventually { await storeError { try await careful.open() } == nil }, "it opens once the tables are there")
    for database in databases + [careful] { await database.close() }
  }

  @Test(arguments: [
    "CREATE TABLE objects (id uuid)",
    "CREATE TABLE dashboard_widgets (x integer)",
    "CREATE VIEW objects AS SELECT 1 AS x",
    // Ruby on Rails' table.
    "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY)",
    "CREATE TABLE schema_migrations (version text, name text, applied_at bigint)",
    "CREATE TABLE iot_tokens (id serial PRIMARY KEY, token text)",
    "CREATE TABLE iot_tokens (id serial, access_token text, refresh_token text, expires_at timestamptz)",
    "CREATE TABLE iot_tokens (id serial, access_token text, refresh_token text, expires_at bigint, owner text)",
  ])
  func `a table of another program is never changed, and the message names the remedy`(table: String) async throws {
    _ = try sql(table)
    let before = try everything()
    let error = await error(opening: database())
    #expect(error?.code == .foreign)
    #expect(error?.message.contains("store: {schema: pointgate}") == true)
    #expect(await storeError { try await database().pendingMigrations() }?.code == .foreign)
    #expect(try everything() == before)
    #expect(await self.error(opening: database(schema: "pointgate")) == nil)
  }

  @Test func `no EcoCtrl table is changed when one of them conflicts`() async throws {
    _ = try sql(Self.ecoCtrl)
    _ = try sql(Self.catalogue)
    let before = try everything()
    #expect(await error(opening: database())?.code == .foreign)
    #expect(try everything() == before)
  }

  @Test func `EcoCtrl's token table is extended and its row stays unchanged`() async throws {
    _ = try sql(Self.ecoCtrl)
    #expect(try await database().pendingMigrations().first?.contains("extends table iot_tokens") == true)
    #expect(await error(opening: database()) == nil)
    #expect(
      try sql("SELECT id, access_token, refresh_token, expires_at, adapter IS NULL, version FROM iot_tokens")
        == "1|theirs|r1|1800000000000|t|1")
    // EcoCtrl can still write.
    _ = try sql("INSERT INTO iot_tokens (access_token, refresh_token, expires_at) VALUES ('b', 'c', 1)")
    #expect(try sql("SELECT id FROM iot_tokens WHERE access_token = 'b'") == "2")
  }

  @Test func `a schema of the gateway copies EcoCtrl's pair once`() async throws {
    _ = try sql(Self.ecoCtrl)
    _ = try sql(Self.catalogue)
    let before = try everything()
    let store = Store(database(schema: "pointgate"))
    let pair = try #require(try await store.load(.main.adopting))
    #expect(pair.token.access == "theirs" && pair.token.refresh == "r1")
    await store.close()
    #expect(try sql("SELECT * FROM public.iot_tokens") == "1|theirs|r1|1800000000000")
    _ = try sql("DELETE FROM pointgate.iot_tokens")
    let again = Store(database(schema: "pointgate"))
    #expect(try await again.load(.main.adopting) == nil)
    await again.close()
    _ = try sql("DROP SCHEMA pointgate CASCADE")
    #expect(try everything() == before)
  }

  @Test func `a pair that a gateway in public uses is not copied`() async throws {
    _ = try sql(Self.ecoCtrl)
    #expect(await error(opening: database()) == nil)
    #expect(await error(opening: database(schema: "pointgate")) == nil)
    #expect(try sql("SELECT count(*) FROM pointgate.iot_tokens") == "0")
  }

  @Test func `with migrate false, nothing is changed, and a current schema works`() async throws {
    let before = try everything()
    let error = await error(opening: database(migrate: false))
    #expect(error?.code == .outdated && error?.message.contains("store: {migrate: false}") == true)
    #expect(try everything() == before)
    #expect(await self.error(opening: database()) == nil)
    #expect(await self.error(opening: database(migrate: false)) == nil)
  }

  @Test func `a newer schema is refused`() async throws {
    #expect(await error(opening: database()) == nil)
    _ = try sql("INSERT INTO schema_migrations VALUES (999, 'future', 0)")
    #expect(await error(opening: database())?.code == .newer)
  }

  @Test func `a role without the right to create works when nothing is pending`() async throws {
    let role = "plain\(url.split(separator: "/").last ?? "")"
    _ = try sql("CREATE ROLE \(role) LOGIN")
    #expect(await error(opening: database()) == nil)
    _ = try sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \(role)")
    _ = try sql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO \(role)")
    let store = Store(database(user: role))
    #expect(try await store.claim(.main, holder: "a", seen: nil, for: .seconds(30)) == .granted)
    #expect(try await store.save(storedToken(1), .main, holder: "a", replacing: nil).savedPair?.version == 1)
    await store.close()
  }

  @Test func `the message about a missing right contains the statement that grants it`() async throws {
    let role = "Weak\(url.split(separator: "/").last ?? "")"
    _ = try sql("CREATE ROLE \"\(role)\" LOGIN; CREATE SCHEMA theirs; CREATE SCHEMA ours")
    for (schema, wanted) in [("none", "CREATE SCHEMA"), ("theirs", "GRANT USAGE, CREATE ON SCHEMA")] {
      let error = await error(opening: database(schema: schema, user: role))
      let statement = try #require(error?.message.split(separator: ": ").last)
      #expect(error?.code == .unavailable && statement.hasPrefix(wanted) && statement.hasSuffix("\"\(role)\"."))
      let early = await storeError { try await database(schema: schema, user: role).pendingMigrations() }
      #expect(early == error)
      _ = try sql("\(statement.dropLast())")
      #expect(await self.error(opening: database(schema: schema, user: role)) == nil)
    }
    #expect(await error(opening: database(schema: "ours")) == nil)
    let error = await error(opening: database(schema: "ours", user: role))
    let statement = try #require(error?.message.split(separator: ": ").last)
    _ = try sql("\(statement.dropLast())")
    #expect(await self.error(opening: database(schema: "ours", user: role)) == nil)
  }

  @Test func `a table of another owner is not extended, and the message says so`() async throws {
    _ = try sql(Self.ecoCtrl)
    let role = "guest\(url.split(separator: "/").last ?? "")"
    _ = try sql("CREATE ROLE \(role) LOGIN; GRANT CREATE ON SCHEMA public TO \(role)")
    let before = try everything()
    let error = await error(opening: database(user: role))
    #expect(error?.message.contains("extend the table 'iot_tokens', which another user owns") == true)
    #expect(try everything() == before)
  }

  @Test func `a role that can't read EcoCtrl's table gets an empty one`() async throws {
    _ = try sql(Self.ecoCtrl)
    let role = "maker\(url.split(separator: "/").last ?? "")"
    _ = try sql("CREATE ROLE \(role) LOGIN; CREATE SCHEMA pointgate AUTHORIZATION \(role)")
    #expect(await error(opening: database(schema: "pointgate", user: role)) == nil)
    #expect(try sql("SELECT count(*) FROM pointgate.iot_tokens") == "0")
  }
}
