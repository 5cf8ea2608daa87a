import AdapterAPI

/// The conditions that a server must meet beside its schema, as `check --live` tests them. Reads only.
enum PostgresRequirements {
  /// - Parameter connections: the largest number of connections of one gateway.
  /// - Throws: `.misconfigured` or `.readOnly` with the remedy.
  static func check(_ session: any SQLSession, connections: Int) throws(StoreError) {
    let server = try session.query(
      "SELECT current_setting('server_encoding'), CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END")
    guard let server = server.first else { return }
    if server.text(0) != "UTF8" {
      throw StoreError(
        .misconfigured,
        "The database has the encoding \(server.text(0)), which can't store every text; the gateway needs UTF8. Create the "
          + "database with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.")
    }
    if server.integer(1) == 1 { throw StoreError(sqlState: "25006") }
    let limits = try session.query(
      """
      SELECT r.rolname, CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END, d.datname,
        CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END
      FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
      WHERE r.rolname = session_user AND d.datname = current_database()
      """)
    guard let row = limits.first else { return }
    for (kind, column) in [("role", 0), ("database", 2)] {
      let limit = row.integer(column + 1)
      guard limit >= 0, limit < connections else { continue }
      throw StoreError(
        .misconfigured,
        "The \(kind) '\(Spelling.printable(row.text(column)))' allows \(limit) connections (CONNECTION LIMIT), and one gateway "
          + "opens up to \(connections). Raise it to that number for each gateway: ALTER \(kind.uppercased()) … CONNECTION LIMIT "
          + "\(connections).")
    }
  }
}
