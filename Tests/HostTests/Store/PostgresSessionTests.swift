import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct PostgresSessionTests {
  private let database: PostgresDatabase

  init() throws { database = PostgresDatabase(try PostgresServer.shared().newDatabase()) }

  static let texts = [
    "", " ", "'", "\"", "\\", "\\N", "\\.", "$1", "%s", "'; DROP TABLE notes; --", "a\tb\nc\rd\u{8}\u{c}\u{b}e",
    "\u{1}\u{7f}",
    "größe ß 漢字 \u{1F469}\u{200D}\u{1F680} e\u{301}", "null", "NULL", "\u{FFFF}", "\r\n",
    String(repeating: "x\\", count: 2_000_000),
  ]

  @Test func `every text is stored unchanged, by parameters and by COPY`() async throws {
    try await database.rows("CREATE TABLE notes (id bigint, text text)")
    try await database.write { session in
      for (index, text) in Self.texts.enumerated() {
        try session.run("INSERT INTO notes VALUES ($1, $2)", [.integer(Int64(index)), .text(text)])
      }
      let rows = Self.texts.enumerated().map { [SQLValue.integer(Int64($0.offset + 1000)), .text($0.element)] }
      try session.insert(into: "notes", ["id", "text"], rows)
    }
    let rows = try await database.rows("SELECT text FROM notes ORDER BY id")
    #expect(rows.map { $0.text(0) } == Self.texts + Self.texts)
  }

  @Test func `integers and NULL are stored unchanged`() async throws {
    let row = try #require(
      try await database.rows(
        "SELECT CAST($1 AS bigint), CAST($2 AS bigint), CAST($3 AS text), CAST($4 AS text)",
        [.integer(.max), .integer(.min), .null, .text("")]
      ).first)
    #expect(row.integer(0) == .max)
    #expect(row.integer(1) == .min)
    #expect(row.isNull(2))
    #expect(!row.isNull(3))
  }

  @Test func `U+0000 is refused before it is sent, and COPY writes nothing`() async throws {
    try await database.rows("CREATE TABLE notes (text text)")
    let query = await storeError { try await database.rows("SELECT CAST($1 AS text)", [.text("a\u{0}b")]) }
    #expect(query == .postgresNUL)
    let copy = await storeError {
      try await database.write { try $0.insert(into: "notes", ["text"], [[.text("good")], [.text("bad\u{0}")]]) }
    }
    #expect(copy == .postgresNUL)
    #expect(try await database.rows("SELECT count(*) FROM notes").first?.integer(0) == 0)
  }

  @Test func `COPY writes a hundred thousand rows, or none when one is invalid`() async throws {
    try await database.rows("CREATE TABLE many (id bigint PRIMARY KEY, text text)")
    let rows = (0..<100_000).map { [SQLValue.integer(Int64($0)), .text("row\t\($0)\\\n'")] }
    func insert(_ rows: [[SQLValue]]) async throws {
      try await database.write { try $0.insert(into: "many", ["id", "text"], rows) }
    }
    #expect(await storeError { try await insert(rows + [[.integer(5), .null]]) }?.code == .conflict)
    #expect(try await database.rows("SELECT count(*) FROM many").first?.integer(0) == 0)
    try await insert(rows)
    let sums = try await database.rows("SELECT count(*), sum(id), min(text) FROM many").first
    #expect(sums?.integer(0) == 100_000)
    #expect(sums?.integer(1) == 4_999_950_000)
    #expect(sums?.text(2) == "row\t0\\\n'")
  }

  @Test func `COPY quotes names, and the session is usable afterwards`() async throws {
    let count = try await database.write { session in
      try session.run("CREATE TABLE \"a\"\"; b\" (\"x y\" text)")
      try session.insert(into: "a\"; b", ["x y"], [])
      try session.insert(into: "a\"; b", ["x y"], [[.text("1")], [.null]])
      return try session.run("UPDATE \"a\"\"; b\" SET \"x y\" = 'z'")
    }
    #expect(count == 2)
  }

  @Test func `an error thrown by the body rolls the transaction back`() async throws {
    try await database.rows("CREATE TABLE notes (text text)")
    let thrown = StoreError(.full, "mine")
    let error = await storeError {
      try await database.write { session in
        try session.run("INSERT INTO notes VALUES ('x')")
        throw thrown
      }
    }
    #expect(error == thrown)
    #expect(try await database.rows("SELECT count(*) FROM notes").first?.integer(0) == 0)
  }

  @Test func `an error that the body ignores still fails the transaction`() async throws {
    try await database.rows("CREATE TABLE notes (text text)")
    let error = await storeError {
      try await database.write { session in
        try session.run("INSERT INTO notes VALUES ('x')")
        _ = try? session.query("SELECT 1 / 0")
      }
    }
    #expect(error?.message.contains("22012") == true)
    #expect(try await database.rows("SELECT count(*) FROM notes").first?.integer(0) == 0)
  }

  @Test func `a reading transaction can't change data`() async throws {
    try await database.rows("CREATE TABLE notes (text text)")
    let insert = "INSERT INTO notes VALUES ('x')"
    #expect(await storeError { try await database.rows(insert, access: .reading) }?.code == .readOnly)
  }

  @Test func `errors have a code and contain neither statements nor values`() async throws {
    try await database.rows("CREATE TABLE notes (text varchar(40) UNIQUE, n bigint CHECK (n < 5))")
    try await database.rows("INSERT INTO notes VALUES ('sesame', 1)")
    let cases: [(String, [SQLValue], StoreError.Code, String)] = [
      ("INSERT INTO notes VALUES ($1, 1)", [.text("sesame")], .conflict, "notes_text_key"),
      ("INSERT INTO notes VALUES ('sesame2', $1)", [.integer(77_123)], .unavailable, "notes_n_check"),
      ("SELECT sesame FROM notes", [], .outdated, "store.migrate"),
      ("SELECT 1 FROM sesame", [], .outdated, "store.migrate"),
      ("SELECT CAST($1 AS bigint)", [.text("sesame")], .unavailable, "22P02"),
      ("sesame 77123", [], .unavailable, "42601"),
      ("SELECT 1; SELECT 'sesame'", [], .unavailable, "42601"),
      ("COPY notes TO STDOUT", [], .unavailable, "broke off"),
    ]
    for (sql, values, code, part) in cases {
      let error = await storeError { try await database.rows(sql, values) }
      #expect(error?.code == code, "\(sql)")
      #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
      #expect(error?.message.contains("sesame") == false, "\(error?.message ?? "")")
      #expect(error?.message.contains("77123") == false, "\(error?.message ?? "")")
    }
  }

  @Test func `the schema's name is quoted, and tables are only found in that schema`() async throws {
    let url = try PostgresServer.shared().newDatabase()
    let name = "odd \"name'; DROP SCHEMA public --"
    let database = PostgresDatabase(url, schema: name)
    try await database.open()
    #expect(try await database.rows("SELECT current_schema()").first?.text(0) == name)
    try await database.rows("CREATE TABLE public.elsewhere (x int)")
    #expect(await storeError { try await database.rows("TABLE elsewhere") }?.code == .outdated)
    await database.close()
  }

  @Test func `a transaction leaves no settings in the connection`() async throws {
    let sql =
      "SELECT pg_backend_pid(), current_setting('statement_timeout'), current_setting('transaction_isolation')"
    let first = try await database.rows(sql, [], .tokens, limit: .seconds(7))
    let second = try await database.rows(sql, [], .tokens, limit: .seconds(20))
    #expect(first.first?.values[0] == second.first?.values[0])
    #expect(first.first?.values[1] != second.first?.values[1])
    #expect(second.first?.text(2) == "read committed")
    let other = try await database.rows(sql)
    #expect(other.first?.values[0] != first.first?.values[0])
  }

  @Test func `deadlocked transactions are repeated`() async throws {
    try await database.rows("CREATE TABLE counters (id bigint PRIMARY KEY, n bigint)")
    try await database.rows("INSERT INTO counters VALUES (1, 0), (2, 0)")
    // Each transaction locks its own row first and then the other's, which is a deadlock unless one ends before the
    // other begins. With only two, the repeated transaction meets no further conflict.
    let orders: [[Int64]] = [[1, 2], [2, 1]]
    _ = try await concurrently(orders) { [database] rows in
      try await database.write { session in
        for row in rows {
          try session.run("UPDATE counters SET n = n + 1 WHERE id = $1", [.integer(row)])
          _ = try session.query("SELECT pg_sleep(0.05)")
        }
      }
    }
    let counters = try await database.rows("SELECT n FROM counters ORDER BY id")
    #expect(counters.map { $0.integer(0) } == [2, 2])
  }
}
