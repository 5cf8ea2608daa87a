/// Brings the schema of one database up to date, or describes the pending changes.
///
/// Must run in a transaction that excludes other migrations. Tables of another program are detected before anything is
/// changed, and never touched.
struct Migrations {
  private enum Home {
    /// The database as messages name it.
    case file(String)
    case schema(String)
  }

  private let session: any SQLSession
  private let home: Home

  /// - Parameter file: the database as messages name it.
  static func run(_ session: any SQLSession, file: String, mayMigrate: Bool) throws(StoreError) {
    try Migrations(session: session, home: .file(file)).run(mayMigrate)
  }

  /// - Parameter schema: need not exist yet. The session resolves unqualified names in this schema only.
  static func run(_ session: any SQLSession, schema: String, mayMigrate: Bool) throws(StoreError) {
    try Migrations(session: session, home: .schema(schema)).run(mayMigrate)
  }

  /// Returns the changes that `run` would make, one line each, and changes nothing. Throws what `run` would throw for a
  /// database of another program or of a newer version.
  static func pending(_ session: any SQLSession, file: String) throws(StoreError) -> [String] {
    try Migrations(session: session, home: .file(file)).pending()
  }

  static func pending(_ session: any SQLSession, schema: String) throws(StoreError) -> [String] {
    try Migrations(session: session, home: .schema(schema)).pending()
  }

  private func pending() throws(StoreError) -> [String] {
    let plan = try plan()
    try checkRights(plan)
    return plan.lines
  }

  private struct Plan {
    /// Descriptions for the operator, including the creation of the schema.
    var lines: [String] = []
    var steps: [Migration] = []
    /// The name of the schema to create; nil when it exists.
    var newSchema: String?
    var hasBookkeeping = false
  }

  private func run(_ mayMigrate: Bool) throws(StoreError) {
    let plan = try plan()
    if plan.lines.isEmpty { return }
    guard mayMigrate else {
      throw StoreError(
        .outdated,
        "\(place) is older than this version needs (\(plan.lines.joined(separator: "; "))) and "
          + "'store: {migrate: false}' forbids changing it. Allow it with 'store: {migrate: true}'.")
    }
    try checkRights(plan)
    if let schema = plan.newSchema { try session.run("CREATE SCHEMA IF NOT EXISTS \(Self.quoted(schema))") }
    if !plan.hasBookkeeping { try session.run(Self.bookkeeping(session.dialect)) }
    for step in plan.steps {
      try step.check(session)
      for statement in step.statements(session.dialect) { try session.run(statement) }
      if step.version == Migration.tokens.version { try copyPublicToken() }
      try session.run(
        "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, \(session.dialect.now))",
        [.integer(step.version), .text(step.name)])
    }
  }

  private func plan() throws(StoreError) -> Plan {
    var plan = Plan()
    if case .schema(let schema) = home,
      try session.query(
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", [.text(schema)]
      ).isEmpty
    {
      plan.newSchema = schema
      plan.lines.append("creates schema \(schema)")
    }
    let done = try doneVersion(&plan)
    if done > Migration.newest { throw newer(done) }
    plan.steps = Migration.all.filter { $0.version > done }
    for step in plan.steps { plan.lines.append(try line(of: step)) }
    return plan
  }

  /// Returns the version of the newest step that has run; 0 for none.
  private func doneVersion(_ plan: inout Plan) throws(StoreError) -> Int64 {
    let columns = try columns(of: "schema_migrations")
    if columns.isEmpty { return 0 }
    guard Set(columns.keys) == ["version", "name", "applied_at"], columns["version"].map(Self.isNumber) == true else {
      throw foreign("schema_migrations")
    }
    plan.hasBookkeeping = true
    try checkUse()
    return try session.query("SELECT coalesce(max(version), 0) FROM schema_migrations").first?.integer(0) ?? 0
  }

  /// Describes the effect of a step. Throws when an object of another program has the table's name.
  private func line(of step: Migration) throws(StoreError) -> String {
    guard step.creates else { return step.effect }
    let columns = try columns(of: step.table)
    if columns.isEmpty { return step.effect }
    guard step.table == "iot_tokens", Self.isTokenTable(columns, mayBeExtended: true) else { throw foreign(step.table) }
    return "\(step.version) \(step.name): extends table \(step.table), whose rows stay as they are"
  }

  /// In a schema of its own, the gateway copies the pair that EcoCtrl left in `public`, once. The copied row names no
  /// adapter, like EcoCtrl's. A table that a gateway in `public` has extended belongs to that gateway and is not
  /// copied.
  private func copyPublicToken() throws(StoreError) {
    guard case .schema(let schema) = home, schema != "public" else { return }
    guard Self.isTokenTable(try columns(of: "iot_tokens", schema: "public"), mayBeExtended: false) else { return }
    let readable = try session.query(
      """
      SELECT 1 WHERE has_schema_privilege('public', 'USAGE') AND has_table_privilege('public.iot_tokens', 'SELECT')
      """)
    if readable.isEmpty { return }
    try session.run(
      """
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at)
      SELECT access_token, refresh_token, expires_at FROM public.iot_tokens
      WHERE access_token <> '' ORDER BY id LIMIT 1
      """)
  }

  // MARK: Present tables

  /// Returns name and type of every column; empty when no such table exists. Includes tables that this role may not
  /// read.
  private func columns(of table: String, schema other: String? = nil) throws(StoreError) -> [String: String] {
    let rows =
      switch home {
      case .file: try session.query("SELECT name, type FROM pragma_table_info($1)", [.text(table)])
      case .schema(let schema):
        try session.query(
          """
          SELECT a.attname, format_type(a.atttypid, a.atttypmod)
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
          """, [.text(other ?? schema), .text(table)])
      }
    return Dictionary(rows.map { ($0.text(0), $0.text(1).lowercased()) }) { first, _ in first }
  }

  /// Returns whether the table has EcoCtrl's four columns and, beside them, at most the gateway's.
  private static func isTokenTable(_ columns: [String: String], mayBeExtended: Bool) -> Bool {
    let ours = ["adapter", "upstream", "version", "lifetime_ms", "updated_at"] + Migration.tokenLeases.columns
    let others = Set(columns.keys).subtracting(["id", "access_token", "refresh_token", "expires_at"])
    return columns["access_token"] == "text" && columns["refresh_token"] == "text"
      && columns["id"].map(isNumber) == true && columns["expires_at"].map(isNumber) == true
      && (mayBeExtended ? others.isSubset(of: ours) : others.isEmpty)
  }

  private static func isNumber(_ type: String) -> Bool { ["integer", "bigint"].contains(type) }

  // MARK: Rights

  /// Checks the rights that the plan needs, so that the message names the missing right instead of a failed statement.
  private func checkRights(_ plan: Plan) throws(StoreError) {
    guard case .schema(let schema) = home else { return }
    if plan.newSchema != nil {
      if try holds("SELECT has_database_privilege(current_database(), 'CREATE')") { return }
      throw lacking(
        "create the schema '\(schema)'. An administrator can allow it: "
          + "CREATE SCHEMA \(Self.quoted(schema)) AUTHORIZATION \(try user())")
    }
    if plan.steps.isEmpty { return }
    guard try holds("SELECT has_schema_privilege($1, 'USAGE') AND has_schema_privilege($1, 'CREATE')", [schema]) else {
      throw lacking(
        "create tables in the schema '\(schema)'. Its owner can allow it: "
          + "GRANT USAGE, CREATE ON SCHEMA \(Self.quoted(schema)) TO \(try user())")
    }
    for table in Set(plan.steps.map(\.table)).sorted()
    where try holds(Self.tables + " AND c.relname = $2 AND NOT pg_has_role(c.relowner, 'USAGE')", [schema, table]) {
      throw lacking(
        "extend the table '\(table)', which another user owns. Use that user in 'store.url', "
          + "or another name in 'store.schema'")
    }
  }

  /// Checks, before the first table is read, that the existing tables may be used.
  private func checkUse() throws(StoreError) {
    guard case .schema(let schema) = home else { return }
    let names = Set(Migration.all.map(\.table) + ["schema_migrations"]).sorted().map { "'\($0)'" }
    let rights = ["SELECT", "INSERT", "UPDATE", "DELETE"]
    let mayAll = rights.map { "has_table_privilege(c.oid, '\($0)')" }.joined(separator: " AND ")
    let question =
      Self.tables + " AND c.relname IN (\(names.joined(separator: ", "))) "
      + "AND NOT (has_schema_privilege(n.oid, 'USAGE') AND \(mayAll))"
    guard try holds(question, [schema]) else { return }
    let (place, user) = (Self.quoted(schema), try user())
    throw lacking(
      "use the tables of the schema '\(schema)'. Their owner can allow it: GRANT USAGE ON SCHEMA \(place) TO \(user); "
        + "GRANT \(rights.joined(separator: ", ")) ON ALL TABLES IN SCHEMA \(place) TO \(user); "
        + "GRANT USAGE ON ALL SEQUENCES IN SCHEMA \(place) TO \(user)")
  }

  private func lacking(_ what: String) -> StoreError {
    StoreError(.unavailable, "The user of 'store.url' may not \(what).")
  }

  private func user() throws(StoreError) -> String {
    try session.query("SELECT quote_ident(current_user)").first?.text(0) ?? ""
  }

  private static let tables = """
    SELECT true FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1
    """

  /// Runs a query that returns one row with true, or no row.
  private func holds(_ question: String, _ values: [String] = []) throws(StoreError) -> Bool {
    try session.query(question, values.map { .text($0) }).first?.text(0) == "t"
  }

  // MARK: Messages and statements

  /// The subject of a message.
  private var place: String {
    switch home {
    case .file(let name): name
    case .schema(let schema): "The PostgreSQL schema '\(schema)'"
    }
  }

  private func foreign(_ table: String) -> StoreError {
    switch home {
    case .file(let name):
      StoreError(
        .foreign, "\(name) has a table '\(table)' that is not the gateway's. Use another file in 'store.path'.")
    case .schema(let schema):
      StoreError(
        .foreign,
        "The PostgreSQL schema '\(schema)' has a table '\(table)' of another program, which was not changed. Use "
          + "another schema: store: {schema: \(schema == "pointgate" ? "pointgate_gateway" : "pointgate")}."
      )
    }
  }

  private func newer(_ done: Int64) -> StoreError {
    let remedy =
      switch home {
      case .file: "use another file in 'store.path'"
      case .schema: "use another name in 'store.schema'"
      }
    return StoreError(
      .newer,
      "\(place) was written by a newer version of the gateway (schema \(done), this one knows \(Migration.newest)). "
        + "Run that version, or \(remedy).")
  }

  private static func bookkeeping(_ dialect: SQLDialect) -> String {
    let (key, bigint) =
      switch dialect {
      case .sqlite: ("INTEGER", "INTEGER")
      case .postgres: ("bigint", "bigint")
      }
    return """
      CREATE TABLE schema_migrations (
        version \(key) PRIMARY KEY,
        name TEXT NOT NULL,
        applied_at \(bigint) NOT NULL
      )
      """
  }

  static func quoted(_ name: String) -> String {
    var text = "\""
    for character in name.unicodeScalars {
      if character == "\"" { text += "\"" }
      text.unicodeScalars.append(character)
    }
    return text + "\""
  }
}
