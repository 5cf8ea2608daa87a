import Foundation
import TestSupport
import Testing

@testable import Host

/// Runs the statement of docs/from-ecoctrl.md that copies EcoCtrl's objects on a PostgreSQL server.
@Suite(.blocking)
struct FromEcoCtrlTests {
  private let server: PostgresServer
  private let database: String
  private let statement: String

  init() throws {
    server = try PostgresServer.shared()
    database = try server.newDatabase()
    let page = try String(
      contentsOf: ShippedConfigurationTests.folder.appending(path: "../docs/from-ecoctrl.md").standardized,
      encoding: .utf8)
    let block = try #require(page.firstMatch(of: /```sql\n(INSERT INTO pointgate\.objects [^`]+)```/))
    statement = String(block.1)
    try server.sql(Self.ecoctrl, database: database)
    let ours = Migration.all.flatMap { $0.statements(.postgres) }.joined(separator: ";\n")
    try server.sql("CREATE SCHEMA pointgate; SET search_path = pointgate; \(ours)", database: database)
  }

  /// EcoCtrl's table of objects and the table that it refers to.
  private static let ecoctrl = """
    CREATE TABLE models (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
    CREATE TABLE objects (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code varchar(255), name varchar(255), description varchar(500),
      model_id uuid NOT NULL REFERENCES models ON DELETE CASCADE, status varchar(20) DEFAULT 'offline',
      UNIQUE (model_id, code));
    INSERT INTO models VALUES ('aaaaaaaa-0000-4000-8000-000000000001'), ('aaaaaaaa-0000-4000-8000-000000000002');
    """
  private static let models = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"]

  private func id(_ number: Int) -> String { "00000000-0000-4000-8000-00000000000\(number)" }

  private func add(_ number: Int, code: String?, name: String? = "A name", model: Int = 0) throws {
    func quoted(_ text: String?) -> String {
      text.map { "'\($0.replacing("'", with: "''"))'" } ?? "NULL"
    }
    try server.sql(
      """
      INSERT INTO objects (id, code, name, description, model_id, status)
      VALUES ('\(id(number))', \(quoted(code)), \(quoted(name)), 'About it', '\(Self.models[model])', 'online')
      """, database: database)
  }

  private func copy() throws { try server.sql(statement, database: database) }

  private func column(_ column: String, of number: Int) throws -> String {
    try server.sql("SELECT \(column) FROM pointgate.objects WHERE id = '\(id(number))'", database: database)
  }

  @Test
  func `the statement keeps id, code, name, description, model and status`() throws {
    try add(1, code: "C_1")
    try copy()
    #expect(try column("code", of: 1) == "C_1")
    #expect(try column("name || '/' || type || '/' || description", of: 1) == "A name//About it")
    #expect(try column("model_id || '/' || status", of: 1) == "\(Self.models[0])/online")
    #expect(try column("metadata", of: 1) == "{}")
    #expect(try column("source IS NULL AND synced IS NULL AND updated_at > 1600000000000", of: 1) == "t")
  }

  @Test
  func `the statement gives objects a code and a name when they have none`() throws {
    try add(1, code: nil, name: nil)
    try add(2, code: "", name: "", model: 1)
    try add(3, code: "C_3", name: nil)
    try copy()
    #expect(try column("code", of: 1) == "ecoctrl-\(id(1))")
    #expect(try column("name", of: 1) == "ecoctrl-\(id(1))")
    #expect(try column("code", of: 2) == "ecoctrl-\(id(2))")
    #expect(try column("name", of: 3) == "C_3")
  }

  @Test
  func
    `the statement keeps a duplicate code for the first object and makes the remaining ones unique, even for long codes`()
    throws
  {
    let long = String(repeating: "ü", count: 255)
    try add(1, code: "C_1")
    try add(2, code: "C_1", model: 1)
    try add(3, code: long)
    try add(4, code: long, model: 1)
    try copy()
    #expect(try column("code", of: 1) == "C_1")
    #expect(try column("code", of: 2) == "C_1@\(id(2))")
    #expect(try column("metadata ->> 'ecoctrlCode'", of: 2) == "C_1")
    #expect(try column("code", of: 3) == long)
    #expect(try column("length(code)", of: 4) == "255")
  }

  @Test
  func `the statement, run again, keeps present objects and adds new ones`() throws {
    try add(2, code: "C_1")
    try copy()
    try server.sql("UPDATE pointgate.objects SET name = 'Edited'", database: database)
    // This id is lower than that of the object that already has the code.
    try add(1, code: "C_1", model: 1)
    try copy()
    try copy()
    #expect(try server.sql("SELECT count(*) FROM pointgate.objects", database: database) == "2")
    #expect(try column("code || '/' || name", of: 2) == "C_1/Edited")
    #expect(try column("code", of: 1) == "C_1@\(id(1))")
  }

  @Test
  func `the statement changes neither the gateway's objects nor EcoCtrl's table`() throws {
    try add(1, code: "C_1")
    try server.sql(
      """
      INSERT INTO pointgate.objects (id, code, name, metadata, updated_at) VALUES ('\(id(9))', 'C_1', 'Ours', '{}', 1)
      """, database: database)
    let before = try server.sql("SELECT * FROM objects", database: database)
    try copy()
    #expect(try server.sql("SELECT name FROM pointgate.objects", database: database) == "Ours")
    #expect(try server.sql("SELECT * FROM objects", database: database) == before)
  }
}
