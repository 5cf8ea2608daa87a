import AdapterAPI

/// The steps that let people insert rows by hand: defaults for what only the gateway knew, and `jsonb` with its operators.
///
/// SQLite can't change a column, so its tables are built anew. It has no check of JSON that a schema may use; what is not JSON
/// is read as a text (`SQLDialect.json`).
extension Migration {
  static let objectsByHand = Migration(
    version: 5, name: "objects_by_hand", table: "objects", creates: false, columns: ["model_id", "status"],
    change: "gives objects defaults, and metadata as jsonb in PostgreSQL", check: checkMetadata
  ) { dialect in
    switch dialect {
    case .postgres:
      [
        """
        ALTER TABLE objects
          ALTER COLUMN id SET DEFAULT gen_random_uuid(),
          ALTER COLUMN metadata TYPE jsonb USING CASE json_typeof(metadata)
            WHEN 'object' THEN metadata::jsonb ELSE jsonb_build_object('metadata', metadata::jsonb) END,
          ALTER COLUMN metadata SET DEFAULT '{}',
          ALTER COLUMN updated_at SET DEFAULT \(dialect.now),
          ADD CHECK (jsonb_typeof(metadata) = 'object'),
          ADD COLUMN IF NOT EXISTS model_id text,
          ADD COLUMN IF NOT EXISTS status text
        """
      ]
    case .sqlite:
      [
        "ALTER TABLE objects RENAME TO objects_before",
        """
        CREATE TABLE objects (
          id TEXT PRIMARY KEY NOT NULL DEFAULT (\(randomUUID)),
          code TEXT NOT NULL UNIQUE,
          name TEXT NOT NULL,
          type TEXT NOT NULL DEFAULT '',
          description text,
          metadata TEXT NOT NULL DEFAULT '{}',
          source text,
          synced TEXT,
          updated_at INTEGER NOT NULL DEFAULT (\(dialect.now)),
          model_id text,
          status text
        )
        """,
        """
        INSERT INTO objects (id, code, name, type, description, metadata, source, synced, updated_at)
        SELECT id, code, name, type, description, metadata, source, synced, updated_at FROM objects_before ORDER BY code
        """,
        "DROP TABLE objects_before",
        "CREATE INDEX objects_type_code ON objects (type, code)",
      ]
    }
  }

  static let widgetsByHand = Migration(
    version: 6, name: "widgets_by_hand", table: "dashboard_widgets", creates: false, change: "gives widgets defaults"
  ) { dialect in
    switch dialect {
    case .postgres:
      [
        """
        ALTER TABLE dashboard_widgets
          ALTER COLUMN id SET DEFAULT gen_random_uuid(),
          ALTER COLUMN data_type SET DEFAULT 'iot',
          ALTER COLUMN codes SET DEFAULT '[]',
          ALTER COLUMN layout_x SET DEFAULT 0,
          ALTER COLUMN layout_y SET DEFAULT 0,
          ALTER COLUMN layout_w SET DEFAULT 1,
          ALTER COLUMN layout_h SET DEFAULT 1,
          ALTER COLUMN options SET DEFAULT '{}',
          ALTER COLUMN sort_order SET DEFAULT 0,
          ALTER COLUMN updated_at SET DEFAULT \(dialect.now)
        """
      ]
    case .sqlite:
      [
        "ALTER TABLE dashboard_widgets RENAME TO widgets_before",
        """
        CREATE TABLE dashboard_widgets (
          id TEXT PRIMARY KEY NOT NULL DEFAULT (\(randomUUID)),
          title TEXT NOT NULL,
          data_type text NOT NULL DEFAULT 'iot',
          kind text NOT NULL,
          codes TEXT NOT NULL DEFAULT '[]',
          layout_x integer NOT NULL DEFAULT 0,
          layout_y integer NOT NULL DEFAULT 0,
          layout_w integer NOT NULL DEFAULT 1,
          layout_h integer NOT NULL DEFAULT 1,
          options TEXT NOT NULL DEFAULT '{}',
          sort_order integer NOT NULL DEFAULT 0,
          updated_at INTEGER NOT NULL DEFAULT (\(dialect.now))
        )
        """,
        "INSERT INTO dashboard_widgets SELECT * FROM widgets_before",
        "DROP TABLE widgets_before",
      ]
    }
  }

  /// SQLite's expression for a random UUID of version 4.
  private static let randomUUID = """
    lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || substr(lower(hex(randomblob(2))), 2) || '-' \
    || substr('89ab', (random() & 3) + 1, 1) || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6)))
    """

  /// Names the objects whose metadata `json` accepted and `jsonb` does not: nothing is changed then, so nothing is lost.
  private static func checkMetadata(_ session: any SQLSession) throws(StoreError) {
    guard session.dialect == .postgres else { return }
    // A failed conversion would end the transaction without naming its row.
    try session.run(
      """
      CREATE FUNCTION pg_temp.pointgate_is_jsonb(value text) RETURNS boolean LANGUAGE plpgsql AS \
      'BEGIN PERFORM value::jsonb; RETURN true; EXCEPTION WHEN data_exception OR program_limit_exceeded THEN RETURN false; END'
      """)
    let rows = try session.query(
      "SELECT code FROM objects WHERE NOT pg_temp.pointgate_is_jsonb(metadata::text) ORDER BY code LIMIT 5")
    try session.run("DROP FUNCTION pg_temp.pointgate_is_jsonb(text)")
    if rows.isEmpty { return }
    let codes = rows.map { "'\(Spelling.printable($0.text(0)))'" }.joined(separator: ", ")
    throw StoreError(
      .outdated,
      "The metadata of \(codes) can't be converted to jsonb: they contain \\u0000, half of a surrogate pair, or a number "
        + "with more than 131072 digits. Nothing was changed. Correct them in the column 'metadata' of the table "
        + "'objects', then start again.")
  }
}
