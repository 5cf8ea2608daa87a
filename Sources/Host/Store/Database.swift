import AdapterAPI

/// An engine that stores tables: SQLite or PostgreSQL.
///
/// All work runs in transactions on the engine's own threads, never on an event loop. The statements are written once
/// for both engines, in SQL that both understand, over `SQLSession`.
protocol Database: Sendable {
  /// The processes that may use the same tables. Decides what the gateway may assume while the database is unavailable.
  var sharing: StoreSharing { get }

  /// Connects and brings the schema up to date. The other methods do the same when `open` was not called or failed;
  /// calling it at start reports problems early.
  func open() async throws(StoreError)

  /// Runs `body` in one transaction: committed when `body` returns, rolled back when it throws.
  ///
  /// `body` runs on the engine's thread and must not wait for anything else. It may run again from the start when the
  /// engine found that nothing of it was done.
  ///
  /// - Parameters:
  ///   - queue: work of one queue never waits for work of another.
  ///   - access: with `reading`, the engine refuses every change.
  ///   - limit: the longest time for the whole call, waiting for a connection included.
  /// - Throws: `StoreError`; `.unavailable` after `limit`.
  func transaction<Value: Sendable>(
    _ queue: StoreQueue, _ access: StoreAccess, limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value

  /// Checks that a queue's work can be done. A queue that is merely busy with this process's own work passes.
  ///
  /// - Throws: the reason why a connection can't be had, or why the tables can't be written.
  func check(_ queue: StoreQueue, limit: Duration) async throws(StoreError)

  /// Returns the schema changes that `open` would make, one line each, and changes nothing. Throws what `open` would
  /// throw, except that an outdated schema that may not be migrated is not an error.
  func pendingMigrations() async throws(StoreError) -> [String]

  /// Checks what the gateway needs beside the schema: the right to write, the server's settings. Changes nothing and leaves nothing.
  ///
  /// - Throws: what an operator has to change.
  func checkRequirements() async throws(StoreError)

  /// The place of the tables for log lines: a path, or host, port and database. Never a password.
  var place: String { get }

  /// Calls `handler` after another process has stored a token, with the adapter's name and the row's version.
  /// Notifications may get lost. Engines without notifications never call it. Replaces the previous handler.
  func onTokenChange(_ handler: @escaping @Sendable (_ adapter: String, _ version: Int64) -> Void)

  /// Waits for the work under way, then closes the connections. Every later call throws.
  func close() async
}

extension Database {
  func onTokenChange(_ handler: @escaping @Sendable (_ adapter: String, _ version: Int64) -> Void) {}
  func checkRequirements() async throws(StoreError) {}
  var place: String { "memory" }

  func check(_ queue: StoreQueue, limit: Duration) async throws(StoreError) { try await respond(queue, limit: limit) }

  /// Makes one round trip.
  func respond(_ queue: StoreQueue, limit: Duration) async throws(StoreError) {
    try await transaction(queue, .reading, limit: limit) { (session) throws(StoreError) in
      _ = try session.query("SELECT 1")
    }
  }
}

/// Independent queues of work: none of them waits for another.
enum StoreQueue: Sendable, CaseIterable {
  /// Short work that requests may wait for.
  case tokens
  /// Objects and widgets. An import may take seconds.
  case catalogue
}

enum StoreAccess: Sendable { case reading, writing }

/// The processes that may use the same tables.
enum StoreSharing: Sendable, Equatable {
  /// This process alone: the tables are in its memory.
  case process
  /// Processes on one machine: when this process can't write the file, no other process can.
  case machine
  /// Any number of machines: other processes may reach the database while this one can't.
  case network
}

/// A connection inside a transaction. Used on the engine's thread only, and never after the transaction.
///
/// Parameters are written `$1`, `$2` … for both engines. Table names have no schema.
protocol SQLSession: AnyObject {
  var dialect: SQLDialect { get }

  /// Runs one statement and returns its rows.
  func query(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [SQLRow]

  /// Runs one statement and returns the number of rows that it changed.
  @discardableResult
  func run(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Int

  /// Inserts many rows in the engine's fastest way: all or none. An error ends the transaction.
  func insert(into table: String, _ columns: [String], _ rows: [[SQLValue]]) throws(StoreError)
}

extension SQLSession {
  func query(_ sql: String) throws(StoreError) -> [SQLRow] { try query(sql, []) }

  @discardableResult
  func run(_ sql: String) throws(StoreError) -> Int { try run(sql, []) }
}

/// The differences between the engines' SQL.
enum SQLDialect: Sendable {
  case sqlite, postgres

  /// The database's clock in milliseconds since the epoch. In PostgreSQL it advances within a transaction.
  var now: String {
    switch self {
    case .sqlite: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    case .postgres: "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    }
  }

  /// The expression for a column of JSON, which people may have written by hand: SQLite stores any text, and what is not
  /// JSON is read as a JSON string.
  func json(_ column: String) -> String {
    switch self {
    case .sqlite: "CASE WHEN json_valid(\(column)) THEN \(column) ELSE json_quote(CAST(\(column) AS TEXT)) END"
    case .postgres: column
    }
  }

  /// The end of a SELECT that locks its rows until the transaction ends. Empty for SQLite, whose writing transactions
  /// exclude each other.
  var forUpdate: String {
    switch self {
    case .sqlite: ""
    case .postgres: " FOR UPDATE"
    }
  }
}

enum SQLValue: Sendable, Hashable {
  case text(String)
  case integer(Int64)
  case null

  init(_ text: String?) { self = text.map { .text($0) } ?? .null }
  init(_ number: Int64?) { self = number.map { .integer($0) } ?? .null }
}

/// One row of a result. Columns count from 0. PostgreSQL gives every value as text.
struct SQLRow: Sendable {
  let values: [SQLValue]

  func isNull(_ column: Int) -> Bool { values[column] == .null }

  /// Returns the empty text for NULL.
  func text(_ column: Int) -> String {
    switch values[column] {
    case .text(let text): text
    case .integer(let number): String(number)
    case .null: ""
    }
  }

  func optionalText(_ column: Int) -> String? { isNull(column) ? nil : text(column) }

  /// Returns 0 for NULL and for text that is not an integer.
  func integer(_ column: Int) -> Int64 {
    switch values[column] {
    case .text(let text): Int64(text) ?? 0
    case .integer(let number): number
    case .null: 0
    }
  }
}
