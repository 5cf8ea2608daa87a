import AdapterAPI

/// An engine that keeps tables: SQLite or PostgreSQL.
///
/// All work is done in transactions, on threads of the engine's own: no event loop ever waits in it. What the tables
/// mean is written once for both engines, in SQL that both understand, over `SQLSession`.
protocol Database: Sendable {
  /// Who else may use the same tables, and what that means while the database is away.
  var sharing: StoreSharing { get }

  /// Connects and brings the schema up to date. The other methods do so themselves when it was not called or failed;
  /// calling it at start says early what is wrong.
  func open() async throws(StoreError)

  /// Runs `body` in one transaction: committed when it returns, rolled back when it throws.
  ///
  /// `body` runs on the engine's thread and must not wait for anything else. It may run again from the start where the
  /// engine found nothing of it done.
  ///
  /// - Parameters:
  ///   - queue: work of one lane never waits for work of another.
  ///   - access: `reading` is refused any change by the engine.
  ///   - limit: how long all of it may take, waiting for a connection included.
  func transaction<Value: Sendable>(
    _ queue: StoreQueue, _ access: StoreAccess, limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value

  /// What `open` would change in the schema; changes nothing. Throws what `open` would throw, except that a database
  /// whose schema is old and may not be migrated is no error here.
  func pendingMigrations() async throws(StoreError) -> [String]

  /// Calls `handler` when another process has said that it stored a token: the adapter's name and the row's version.
  /// Hints may get lost. Engines without such messages never call it. Replaces the handler before.
  func onTokenChange(_ handler: @escaping @Sendable (_ adapter: String, _ version: Int64) -> Void)

  /// Waits for what is under way, then gives up the connections. Every later call throws.
  func close() async
}

extension Database {
  func onTokenChange(_ handler: @escaping @Sendable (_ adapter: String, _ version: Int64) -> Void) {}
}

/// Work that must not wait for each other.
enum StoreQueue: Sendable, CaseIterable {
  /// Short, and requests may wait for it.
  case tokens
  /// Objects and widgets; an import may take seconds.
  case catalogue
}

enum StoreAccess: Sendable { case reading, writing }

/// Who may use the same tables.
enum StoreSharing: Sendable, Equatable {
  /// This process alone: the store is its own memory.
  case process
  /// Processes of one machine: when the file can't be written, nobody else can write it either.
  case machine
  /// Any number of machines: others may reach the database while this process can't.
  case network
}

/// A connection inside of a transaction. Used on the engine's thread only, and not kept beyond the transaction.
///
/// Parameters are written `$1`, `$2` … in both engines. Tables are named without a schema.
protocol SQLSession: AnyObject {
  var dialect: SQLDialect { get }

  /// Runs one statement and collects its rows.
  func query(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> [SQLRow]

  /// Runs one statement; how many rows it changed.
  @discardableResult
  func run(_ sql: String, _ values: [SQLValue]) throws(StoreError) -> Int

  /// Inserts many rows in the engine's fastest way. All or none: an error ends the transaction.
  func insert(into table: String, _ columns: [String], _ rows: [[SQLValue]]) throws(StoreError)
}

extension SQLSession {
  func query(_ sql: String) throws(StoreError) -> [SQLRow] { try query(sql, []) }

  @discardableResult
  func run(_ sql: String) throws(StoreError) -> Int { try run(sql, []) }
}

/// Where the engines' SQL differs.
enum SQLDialect: Sendable {
  case sqlite, postgres

  /// The database's clock, in milliseconds since the epoch. In PostgreSQL it moves on inside of a transaction.
  var now: String {
    switch self {
    case .sqlite: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    case .postgres: "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    }
  }

  /// Behind a SELECT: nobody else changes these rows before the transaction ends. SQLite's writing transactions keep
  /// everybody else out anyway.
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

/// One row of an answer; columns count from 0. PostgreSQL gives every value as text.
struct SQLRow: Sendable {
  let values: [SQLValue]

  func isNull(_ column: Int) -> Bool { values[column] == .null }

  /// Empty for NULL.
  func text(_ column: Int) -> String {
    switch values[column] {
    case .text(let text): text
    case .integer(let number): String(number)
    case .null: ""
    }
  }

  func optionalText(_ column: Int) -> String? { isNull(column) ? nil : text(column) }

  /// 0 for NULL, and for what is no number.
  func integer(_ column: Int) -> Int64 {
    switch values[column] {
    case .text(let text): Int64(text) ?? 0
    case .integer(let number): number
    case .null: 0
    }
  }
}
