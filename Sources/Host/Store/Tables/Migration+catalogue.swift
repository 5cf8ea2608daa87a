extension Migration {
  /// Texts are ordered by their bytes in both engines.
  static let objects = Migration(version: 3, name: "objects", table: "objects", creates: true) { dialect in
    let (uuid, text, json, bigint) =
      switch dialect {
      case .sqlite: ("TEXT", "TEXT", "TEXT", "INTEGER")
      case .postgres: ("uuid", "text COLLATE \"C\"", "json", "bigint")
      }
    return [
      """
      CREATE TABLE objects (
        id \(uuid) PRIMARY KEY NOT NULL,
        code \(text) NOT NULL UNIQUE,
        name \(text) NOT NULL,
        type \(text) NOT NULL DEFAULT '',
        description text,
        metadata \(json) NOT NULL,
        source text,
        synced \(json),
        updated_at \(bigint) NOT NULL
      )
      """,
      "CREATE INDEX objects_type_code ON objects (type, code)",
    ]
  }

  static let readCodes = Migration(version: 7, name: "read_codes", table: "read_codes", creates: true) { dialect in
    let (text, bigint) = dialect == .sqlite ? ("TEXT", "INTEGER") : ("text COLLATE \"C\"", "bigint")
    return [
      """
      CREATE TABLE read_codes (
        upstream \(text) NOT NULL,
        code \(text) NOT NULL,
        first_read_at \(bigint) NOT NULL DEFAULT (\(dialect.now)),
        PRIMARY KEY (upstream, code)
      )
      """
    ]
  }

  static let widgets = Migration(version: 4, name: "widgets", table: "dashboard_widgets", creates: true) { dialect in
    let (uuid, text, json, bigint) =
      switch dialect {
      case .sqlite: ("TEXT", "TEXT", "TEXT", "INTEGER")
      case .postgres: ("uuid", "text COLLATE \"C\"", "json", "bigint")
      }
    return [
      """
      CREATE TABLE dashboard_widgets (
        id \(uuid) PRIMARY KEY NOT NULL,
        title \(text) NOT NULL,
        data_type text NOT NULL,
        kind text NOT NULL,
        codes \(json) NOT NULL,
        layout_x integer NOT NULL,
        layout_y integer NOT NULL,
        layout_w integer NOT NULL,
        layout_h integer NOT NULL,
        options \(json) NOT NULL,
        sort_order integer NOT NULL,
        updated_at \(bigint) NOT NULL
      )
      """
    ]
  }
}
