extension Migration {
  /// EcoCtrl's four columns and the columns that several adapters need. In PostgreSQL, EcoCtrl's own table is extended,
  /// which leaves its rows unchanged.
  static let tokens = Migration(version: 1, name: "tokens", table: "iot_tokens", creates: true) { dialect in
    switch dialect {
    case .sqlite:
      [
        """
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
        """
      ]
    case .postgres:
      [
        """
        CREATE TABLE IF NOT EXISTS iot_tokens (
          id serial PRIMARY KEY,
          access_token text NOT NULL,
          refresh_token text NOT NULL,
          expires_at bigint NOT NULL
        )
        """,
        """
        ALTER TABLE iot_tokens
          ADD COLUMN IF NOT EXISTS adapter text,
          ADD COLUMN IF NOT EXISTS upstream text,
          ADD COLUMN IF NOT EXISTS version bigint NOT NULL DEFAULT 1,
          ADD COLUMN IF NOT EXISTS lifetime_ms bigint,
          ADD COLUMN IF NOT EXISTS updated_at bigint
        """,
        "CREATE UNIQUE INDEX IF NOT EXISTS iot_tokens_adapter ON iot_tokens (adapter) WHERE adapter IS NOT NULL",
      ]
    }
  }

  static let tokenLeases = Migration(
    version: 2, name: "token_leases", table: "iot_tokens", creates: false,
    columns: ["updated_by", "lease_holder", "lease_until"]
  ) { dialect in
    switch dialect {
    case .sqlite:
      [
        "ALTER TABLE iot_tokens ADD COLUMN updated_by TEXT",
        "ALTER TABLE iot_tokens ADD COLUMN lease_holder TEXT",
        "ALTER TABLE iot_tokens ADD COLUMN lease_until INTEGER",
      ]
    case .postgres:
      [
        """
        ALTER TABLE iot_tokens
          ADD COLUMN IF NOT EXISTS updated_by text,
          ADD COLUMN IF NOT EXISTS lease_holder text,
          ADD COLUMN IF NOT EXISTS lease_until bigint
        """
      ]
    }
  }
}
