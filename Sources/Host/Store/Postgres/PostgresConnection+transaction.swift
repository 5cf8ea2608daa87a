import AdapterAPI
import CLibPQ

extension PostgresConnection {
  /// What a transaction that failed left behind.
  enum Remains {
    /// The connection is as good as before.
    case connection
    /// Others changed the same rows: run all of it again.
    case conflict
    /// The connection broke off before anything was committed.
    case nothing
    /// It is not known what was done, or there is no time to do it again.
    case unknown
  }

  /// How much longer than its caller a transaction may wait: the server's own timeouts come at the caller's deadline
  /// and leave the connection whole.
  static let grace = Duration.milliseconds(250)

  /// One transaction. The connection holds nothing of it afterwards, so a pooler may be in between
  /// (`pool_mode = transaction`).
  func transaction(
    _ access: StoreAccess, schema: String, until deadline: Instant,
    _ body: (any SQLSession) throws(StoreError) -> Void
  ) -> (error: StoreError, remains: Remains)? {
    self.deadline = deadline + Self.grace
    firstState = nil
    var isCommitting = false
    do throws(StoreError) {
      try begin(access, schema: schema, until: deadline)
      try body(self)
      // The body may have swallowed it; the server has not.
      if isLost { throw .postgresLost }
      if let firstState { throw StoreError(sqlState: firstState) }
      guard Instant.current < deadline else { throw .postgresSilent }
      isCommitting = true
      let result = try simple("COMMIT")
      guard result?.command == "COMMIT", isIdle else { throw lost() }
      return nil
    } catch {
      if isLost { return (isCommitting ? .postgresUnknown : error, isSilent || isCommitting ? .unknown : .nothing) }
      let state = firstState
      if !isIdle {
        // Not through the session: what fails here is no failure of the body's.
        _ = try? simple("ROLLBACK")
        guard !isLost, isIdle else { return (error, isSilent ? .unknown : .nothing) }
      }
      let isConflict = state == "40001" || state == "40P01"
      return (error, isConflict ? .conflict : .connection)
    }
  }

  private func begin(_ access: StoreAccess, schema: String, until deadline: Instant) throws(StoreError) {
    let mode = access == .reading ? " READ ONLY" : ""
    // 0 would mean without end. Idle: nobody may hold rows because this process was stopped between two statements.
    let limit = min(max((deadline - .current).milliseconds, 1), Int64(Int32.max))
    _ = try simple(
      """
      BEGIN ISOLATION LEVEL READ COMMITTED\(mode); \
      SET LOCAL search_path = \(Migrations.quoted(schema)); \
      SET LOCAL statement_timeout = \(limit); \
      SET LOCAL idle_in_transaction_session_timeout = \(limit)
      """)
  }

  /// Statements without parameters, in one round trip.
  @discardableResult
  func simple(_ sql: String) throws(StoreError) -> LibPQResult? {
    try exchange { libpq.sendQuery($0, sql) }
  }

  private var isIdle: Bool { libpq.transactionStatus(handle) == PQTRANS_IDLE }
}
