import AdapterAPI

extension StoreError {
  /// The error for an SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html).
  ///
  /// Omits the server's own message, which quotes statements and values. The names of constraints and tables come from
  /// the schema.
  init(sqlState state: String, constraint: String? = nil, table: String? = nil) {
    let on = table.map { " on table '\($0)'" } ?? ""
    switch state {
    case "23505", "23P01":
      self.init(.conflict, "The value is taken (constraint '\(constraint ?? "unknown")'\(on)).")
    case "42P01", "42703", "3F000":
      self.init(
        .outdated,
        "The PostgreSQL schema lacks a table or a column that this version needs. "
          + "Let the gateway migrate it ('store.migrate: true'), check 'store.schema', or restore the dropped table.")
    case "22P05", "22021":
      self.init(
        .unstorable,
        "A text has a character that the encoding of the database lacks. Create the database with ENCODING 'UTF8'.")
    case "25006":
      self.init(
        .readOnly,
        "PostgreSQL accepts no writes (a standby, or 'default_transaction_read_only'). "
          + "Use the primary server in 'store.url'.")
    case "53100":
      self.init(.full, "PostgreSQL's disk is full. Free some space on the server.")
    case "3D000":
      self.init(.unavailable, "The database that 'store.url' names does not exist. Create it, or correct the url.")
    case "42501":
      self.init(
        .unavailable,
        "PostgreSQL denies the user of 'store.url' a right to the gateway's schema, tables or sequences\(on). Grant it, "
          + "or make that user their owner.")
    case "53300":
      self.init(
        .unavailable,
        "PostgreSQL has no free connection. Raise 'max_connections' of the server or the CONNECTION LIMIT of the role, or "
          + "run fewer replicas.")
    case "57014":
      self.init(.unavailable, "PostgreSQL cancelled a statement that took too long.")
    case "40001", "40P01", "55P03":
      self.init(.unavailable, "Other transactions kept changing the same rows. Try again.")
    case "XX001", "XX002":
      self.init(.corrupt, "PostgreSQL reports damaged data (SQLSTATE \(state)). Restore the database from a backup.")
    case _ where state.hasPrefix("28"):
      self.init(
        .unavailable,
        "PostgreSQL refuses the user or the password of 'store.url', or its pg_hba.conf has no line for them "
          + "(SQLSTATE \(state)).")
    case _ where state.hasPrefix("57P") || state.hasPrefix("08"):
      self.init(.unavailable, "PostgreSQL is starting, stopping, or ended the connection (SQLSTATE \(state)).")
    default:
      let name = constraint.map { ", constraint '\($0)'" } ?? ""
      self.init(.unavailable, "PostgreSQL refused a statement (SQLSTATE \(state)\(name)\(on)).")
    }
  }

  static let postgresAddress = StoreError(
    .misconfigured,
    "'store.url' is not a valid address of a PostgreSQL database. Write postgresql://user:password@host:5432/database, "
      + "with % escapes for special characters.")
  static let postgresParameter = StoreError(
    .misconfigured,
    "'store.url' has a parameter that libpq does not know. Remove it; instead of '?schema=…' use the key "
      + "'store.schema'.")
  static let postgresLost = StoreError(.unavailable, "The connection to PostgreSQL broke off.")
  static let postgresSilent = StoreError(.unavailable, "PostgreSQL did not respond in time.")
  static let postgresUnknown = StoreError(
    .unavailable,
    "The connection to PostgreSQL broke off during a commit. It is not known whether the data were committed.")
  static let postgresBusy = StoreError(
    .unavailable, "Too many callers are waiting for PostgreSQL. Try again later.")
  static let postgresThread = StoreError(
    .unavailable, "A thread for PostgreSQL could not be created. Raise the limit of threads.")
  static let postgresNUL = StoreError(
    .unavailable, "A text contains the character U+0000, which PostgreSQL can't store. Leave it out.")

  static func postgresOverdue(_ limit: Duration) -> StoreError {
    StoreError(.unavailable, "PostgreSQL did not respond within \(time(limit)).")
  }

  /// Every connection was in use, so the work was not started.
  static func postgresWaiting(_ limit: Duration) -> StoreError {
    StoreError(.unavailable, "All connections to PostgreSQL were in use for \(time(limit)).")
  }

  private static func time(_ limit: Duration) -> String {
    let milliseconds = max(0, limit.milliseconds)
    return milliseconds % 1000 == 0 && milliseconds > 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
  }
}

extension String {
  /// C strings end at U+0000, so such a text must never reach libpq.
  var holdsNUL: Bool { utf8.contains(0) }
}
