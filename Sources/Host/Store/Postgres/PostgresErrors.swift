import AdapterAPI

extension StoreError {
  /// What the server said, by SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html).
  ///
  /// Never the server's own sentence: it quotes statements and values. Names of constraints and tables are the
  /// schema's.
  init(sqlState state: String, constraint: String? = nil, table: String? = nil) {
    let on = table.map { " on table '\($0)'" } ?? ""
    switch state {
    case "23505", "23P01":
      self.init(.conflict, "That value is taken already (constraint '\(constraint ?? "unknown")'\(on)).")
    case "42P01", "42703", "3F000":
      self.init(
        .outdated,
        "The PostgreSQL schema lacks a table or a column that this version needs; "
          + "let the gateway migrate it ('store.migrate: true'), look at 'store.schema', or restore what was dropped.")
    case "25006":
      self.init(
        .readOnly,
        "PostgreSQL takes no writes (a standby, or 'default_transaction_read_only'); "
          + "give 'store.url' the primary server.")
    case "53100":
      self.init(.full, "PostgreSQL's disk is full; free some space on the server.")
    case "3D000":
      self.init(.unavailable, "The database that 'store.url' names does not exist; create it, or mend the url.")
    case "42501":
      self.init(
        .unavailable,
        "PostgreSQL denies the user of 'store.url' a right to the gateway's schema, tables or sequences\(on); grant it, "
          + "or make that user their owner.")
    case "53300":
      self.init(.unavailable, "PostgreSQL has no connection left; raise 'max_connections', or run fewer replicas.")
    case "57014":
      self.init(.unavailable, "PostgreSQL gave up a statement that took too long.")
    case "40001", "40P01", "55P03":
      self.init(.unavailable, "Others were changing the same rows all the time; try again.")
    case "XX001", "XX002":
      self.init(.corrupt, "PostgreSQL reports damaged data (SQLSTATE \(state)); restore the database from a backup.")
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
    "'store.url' is no address of a PostgreSQL database; write postgresql://user:password@host:5432/database, "
      + "with % escapes for what is special in a url.")
  static let postgresParameter = StoreError(
    .misconfigured,
    "'store.url' has a parameter that libpq does not know; take it off (in the place of '?schema=…' there is the key "
      + "'store.schema').")
  static let postgresLost = StoreError(.unavailable, "The connection to PostgreSQL broke off.")
  static let postgresSilent = StoreError(.unavailable, "PostgreSQL did not answer in time.")
  static let postgresUnknown = StoreError(
    .unavailable, "The connection to PostgreSQL broke off while it committed; whether it did is not known.")
  static let postgresBusy = StoreError(
    .unavailable, "Too many callers are waiting for PostgreSQL already; try again later.")
  static let postgresThread = StoreError(
    .unavailable, "A thread for PostgreSQL could not be made; raise the limit of threads.")
  static let postgresNUL = StoreError(
    .unavailable, "A text holds the character U+0000, which PostgreSQL can't keep; leave it out.")

  static func postgresOverdue(_ limit: Duration) -> StoreError {
    let milliseconds = max(0, limit.milliseconds)
    let time =
      milliseconds % 1000 == 0 && milliseconds > 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    return StoreError(.unavailable, "PostgreSQL did not answer within \(time).")
  }
}

extension String {
  /// C's strings end at it; such a text must never get there.
  var holdsNUL: Bool { utf8.contains(0) }
}
