import Glibc

extension SQLiteDatabase {
  /// One numbered step of the schema. Steps are only ever added, and do no harm when they run twice.
  struct Migration {
    let version: Int64
    let name: String
    let sql: String
  }

  static let migrations = [
    Migration(
      version: 1, name: "tokens",
      sql: """
        CREATE TABLE IF NOT EXISTS iot_tokens (
          id INTEGER PRIMARY KEY,
          access_token TEXT NOT NULL,
          refresh_token TEXT NOT NULL,
          expires_at INTEGER NOT NULL,
          adapter TEXT NOT NULL UNIQUE,
          upstream TEXT NOT NULL,
          version INTEGER NOT NULL DEFAULT 1,
          lifetime_ms INTEGER,
          updated_at INTEGER
        )
        """)
  ]

  /// Runs what is missing; call inside a transaction.
  func migrate() throws(StoreError) {
    try execute(
      """
      CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        applied_at INTEGER NOT NULL
      )
      """)
    let done = try integer("SELECT coalesce(max(version), 0) FROM schema_migrations")
    if let newest = Self.migrations.last?.version, done > newest {
      throw StoreError(
        .newer,
        "'\(path)' was written by a newer version of the gateway (schema \(done), this one knows \(newest)); "
          + "run that version, or give 'store.path' another file.")
    }
    let insert = try SQLiteStatement(
      "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)", in: self)
    for step in Self.migrations where step.version > done {
      try execute(step.sql)
      try insert.run([.integer(step.version), .text(step.name), .integer(Self.wallMilliseconds())])
    }
  }

  /// Milliseconds since the epoch.
  static func wallMilliseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }
}
