import AdapterAPI
import CLibPQ

extension PostgresConnection {
  /// The state after a failed transaction.
  enum Aftermath {
    /// The connection is as usable as before.
    case usable
    /// Another transaction changed the same rows: the whole transaction may be repeated.
    case conflict
    /// The connection was lost before anything was committed.
    case lost
    /// The outcome is unknown, or there is no time for another attempt.
    case unknown
  }

  /// The time that a transaction may run past its caller's deadline. The server's own timeouts fire at the deadline and
  /// keep the connection usable.
  static let grace = Duration.milliseconds(250)

  /// Runs one transaction. Leaves no state in the connection, so a pooler with `pool_mode = transaction` may be in
  /// between.
  ///
  /// - Returns: nil when the transaction was committed.
  func transaction(
    _ access: StoreAccess, schema: String, until deadline: Instant,
    _ body: (any SQLSession) throws(StoreError) -> Void
  ) -> (error: StoreError, aftermath: Aftermath)? {
    self.deadline = deadline + Self.grace
    firstState = nil
    var isCommitting = false
    do throws(StoreError) {
      try begin(access, schema: schema, until: deadline)
      try body(self)
      // The body may have ignored the error; the server has not.
      if isLost { throw .postgresLost }
      if let firstState { throw StoreError(sqlState: firstState) }
      guard Instant.current < deadline else { throw .postgresSilent }
      isCommitting = true
      let result = try simple("COMMIT")
      guard result?.command == "COMMIT", isIdle else { throw lost() }
      return nil
    } catch {
      if isLost { return (isCommitting ? .postgresUnknown : error, isSilent || isCommitting ? .unknown : .lost) }
      let state = firstState
      if !isIdle {
        // Not through the session: this failure is not the body's.
        _ = try? simple("ROLLBACK")
        guard !isLost, isIdle else { return (error, isSilent ? .unknown : .lost) }
      }
      let isConflict = state == "40001" || state == "40P01"
      return (error, isConflict ? .conflict : .usable)
    }
  }

  private func begin(_ access: StoreAccess, schema: String, until deadline: Instant) throws(StoreError) {
    let mode = access == .reading ? " READ ONLY" : ""
    // 0 would disable the timeout. The idle timeout releases locked rows when this process is stopped between two
    // statements.
    let limit = min(max((deadline - .current).milliseconds, 1), Int64(Int32.max))
    _ = try simple(
      """
      BEGIN ISOLATION LEVEL READ COMMITTED\(mode); \
      SET LOCAL search_path = \(Migrations.quoted(schema)); \
      SET LOCAL statement_timeout = \(limit); \
      SET LOCAL idle_in_transaction_session_timeout = \(limit)
      """)
  }

  /// Runs statements without parameters in one round trip.
  @discardableResult
  func simple(_ sql: String) throws(StoreError) -> LibPQResult? {
    try exchange { libpq.sendQuery($0, sql) }
  }

  private var isIdle: Bool { libpq.transactionStatus(handle) == PQTRANS_IDLE }
}
