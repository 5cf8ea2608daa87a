import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

/// Rows that people write with SQL, and the migration of older rows to `jsonb`.
@Suite(.blocking, .serialized, .stores) struct ByHandTests {
  @Test(arguments: Store.ofEachKind)
  func `an object and a widget written by hand need neither id nor time`(store: Store) async throws {
    _ = try await store.objects(ObjectQuery(limit: 1))
    try await store.database.rows("INSERT INTO objects (code, name) VALUES ('A', 'a'), ('B', 'b')")
    try await store.database.rows("INSERT INTO dashboard_widgets (title, kind) VALUES ('T', 'value')")
    let objects = try await store.objects(ObjectQuery(limit: 9)).items
    #expect(objects.map(\.code) == ["A", "B"] && objects.allSatisfy { $0.metadata == "{}" && uuid($0.id) == $0.id })
    #expect(Set(objects.map(\.id)).count == 2)
    #expect(try await store.object(id: objects[0].id) == objects[0])
    let widget = try #require(try await store.widgets().first)
    #expect(uuid(widget.id) == widget.id && widget.dataType == "iot" && widget.options == "{}" && widget.codes.isEmpty)
    #expect(widget.layout == DashboardWidget.Layout(x: 0, y: 0, w: 1, h: 1))
    for table in ["objects", "dashboard_widgets"] {
      let time = try await store.database.rows("SELECT min(updated_at) FROM \(table)").first?.integer(0) ?? 0
      #expect(abs(time - System.wall()) < 60_000, "\(table)")
    }
  }

  @Test(arguments: Store.ofEachKind)
  func `ids of rows written by hand are random UUIDs`(store: Store) async throws {
    let values = (0..<200).map { "('C\($0)', 'n')" }.joined(separator: ", ")
    _ = try await store.objects(ObjectQuery(limit: 1))
    try await store.database.rows("INSERT INTO objects (code, name) VALUES \(values)")
    let ids = try await store.objects(ObjectQuery(limit: 1000)).items.map(\.id)
    #expect(Set(ids).count == 200)
    #expect(ids.allSatisfy { $0.contains(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/) })
  }

  @Test func `text that is not JSON in a SQLite file is shown as a text, and PUT replaces it`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let rig = CatalogueRig(store: store)
    try await store.database.rows(
      "INSERT INTO objects (code, name, metadata) VALUES ('A', 'a', '{\"x\"'), ('B', 'b', '[1]')")
    let response = try await rig.ask(.list)
    let list = try JSONValue(parsing: response.body)
    #expect(list.array?.map { $0["metadata"] } == [.string(#"{"x""#), .array([.number("1")])])
    let id = try #require(list.array?.first?["id"]?.string)
    #expect(await rig.refusal(.patch(id: id), #"{"name":"n"}"#)?.places == ["metadata"])
    #expect(await rig.refusal(.replace(id: id), #"{"code":"A"}"#)?.places == ["metadata"])
    #expect(
      StoredObject(try await rig.ask(.replace(id: id), #"{"code":"A","metadata":{"y":1}}"#)).metadata == #"{"y":1}"#)
  }

  @Test func `in PostgreSQL metadata are jsonb, and only an object is accepted`() async throws {
    try await withPostgres { database, url in
      let store = Store(database)
      let rig = CatalogueRig(store: store)
      let body = #"{"code":"A","metadata":{"z":1.10,"unit":"°C","big":12345678901234567890,"e":1e3,"n":-0}}"#
      let object = try await rig.create(body)
      let server = try PostgresServer.shared()
      #expect(
        try server.sql("SELECT metadata->>'unit' FROM objects WHERE metadata @> '{\"z\":1.1}'", database: url) == "°C")
      #expect(
        StoredObject(try await rig.ask(.read(id: object.id))).metadata
          == #"{"e":1000,"n":0,"z":1.10,"big":12345678901234567890,"unit":"°C"}"#,
        "values are exact; the order is PostgreSQL's")
      for wrong in ["'[1]'", "'7'", "'null'"] {
        #expect(throws: (any Error).self) {
          try server.sql("INSERT INTO objects (code, name, metadata) VALUES ('x', 'x', \(wrong))", database: url)
        }
      }
    }
  }

  // MARK: Migration

  /// Makes the tables as the version before left them.
  private func makeOlder(_ dialect: SQLDialect, _ run: (String) throws -> Void) throws {
    for statement in Migration.objects.statements(dialect) + Migration.widgets.statements(dialect) {
      try run(statement)
    }
    try run("DROP TABLE read_codes")
    try run("DELETE FROM schema_migrations WHERE version > 4")
  }

  @Test func `the older tables of a SQLite file are converted, and nothing is lost`() async throws {
    let folder = StoreFolder()
    let path = folder.file("a.db")
    let connection = try SQLiteConnection(path: path)
    try connection.execute("DROP TABLE objects; DROP TABLE dashboard_widgets")
    try makeOlder(.sqlite) { try connection.execute($0) }
    try connection.execute(
      """
      INSERT INTO objects (id, code, name, type, description, metadata, source, synced, updated_at)
      VALUES ('\(id(1))', 'A', 'n', 't', 'd', '{"b": 1e400, "a":1.10}', 'main', '{"name":"n"}', 7);
      INSERT INTO dashboard_widgets VALUES ('\(id(2))', 'T', 'iot', 'value', '["C"]', 1, 2, 3, 4, '{"m":1.10}', 5, 6)
      """)
    let store = Store(SQLiteDatabase(path: path))
    #expect(
      try await store.object(id: id(1))
        == CatalogueObject(
          id: id(1), code: "A", name: "n", type: "t", description: "d", metadata: #"{"b": 1e400, "a":1.10}"#))
    #expect(try await store.widgets().map(\.options) == [#"{"m":1.10}"#])
    #expect(
      try await store.number("SELECT updated_at FROM objects WHERE source = 'main' AND synced = '{\"name\":\"n\"}'")
        == 7)
    #expect(try await store.number("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%before%'") == 0)
    await store.close()
  }

  /// A database with the older tables and one object with this metadata.
  private func olderPostgres(_ rows: [(code: String, metadata: String)]) async throws -> (
    server: PostgresServer, url: String
  ) {
    let server = try PostgresServer.shared()
    let url = try server.newDatabase()
    let first = PostgresDatabase(url)
    try await first.open()
    await first.close()
    try server.sql("DROP TABLE objects; DROP TABLE dashboard_widgets", database: url)
    try makeOlder(.postgres) { try server.sql($0, database: url) }
    for row in rows {
      let metadata = row.metadata.replacing("'", with: "''")
      try server.sql(
        """
        INSERT INTO objects (id, code, name, metadata, synced, updated_at)
        VALUES (gen_random_uuid(), '\(row.code)', 'n', '\(metadata)', '{"a":1e3}', 7)
        """, database: url)
    }
    return (server, url)
  }

  @Test func `the older objects of PostgreSQL become jsonb with the same values`() async throws {
    let (server, url) = try await olderPostgres([
      ("A", #"{"b": 1e400, "a":1.10, "t":"it's °C", "big":12345678901234567890}"#), ("B", "[1, 2]"), ("C", "{}"),
    ])
    let store = Store(PostgresDatabase(url))
    let items = try await store.objects(ObjectQuery(limit: 9)).items
    let expected = [
      #"{"a":1.10,"b":1e400,"big":12345678901234567890,"t":"it's °C"}"#, #"{"metadata":[1,2]}"#, "{}",
    ]
    #expect(items.count == 3)
    for (item, metadata) in zip(items, expected) {
      var wanted = item
      wanted.metadata = metadata
      #expect(item.isSame(as: wanted), "\(item.metadata.prefix(80))")
    }
    #expect(try server.sql("SELECT synced FROM objects WHERE code = 'A'", database: url) == #"{"a":1e3}"#)
    await store.close()
  }

  @Test(arguments: [#"{"a":"\u0000"}"#, #"{"a":"\ud800"}"#, #"{"a":1e200000}"#, #"{"\u0000":1}"#])
  func `metadata that jsonb can't hold stop the migration, name the object and stay as they are`(metadata: String)
    async throws
  {
    let (server, url) = try await olderPostgres([("good", "{}"), ("bad one", metadata)])
    let database = PostgresDatabase(url)
    let error = await storeError { try await database.open() }
    #expect(error?.code == .outdated && error?.preventsStart == true)
    #expect(error?.message.contains("'bad one'") == true && error?.message.contains("good") == false)
    #expect(try server.sql("SELECT metadata FROM objects WHERE code = 'bad one'", database: url) == metadata)
    #expect(try server.sql("SELECT max(version) FROM schema_migrations", database: url) == "4")
    try server.sql("UPDATE objects SET metadata = '{}' WHERE code = 'bad one'", database: url)
    await database.close()
    let again = PostgresDatabase(url)
    try await again.open()
    await again.close()
  }
}
