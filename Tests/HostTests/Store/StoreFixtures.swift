import AdapterAPI
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host

/// The kinds of store, for tests that all of them must pass.
enum StoreKind: String, CaseIterable, Sendable {
  case memory, sqlite, postgres

  /// Stores whose tables several processes may use at once.
  static let shared: [StoreKind] = [.sqlite, .postgres]
}

/// A temporary folder, deleted with the object.
final class StoreFolder: Sendable {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "pointgate-store-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func mode(_ name: String) -> Int? {
    (try? FileManager.default.attributesOfItem(atPath: file(name)))?[.posixPermissions] as? Int
  }
}

/// Runs a test with several stores over the same tables, like several processes.
func withStores(_ kind: StoreKind, _ count: Int, _ body: ([Store]) async throws -> Void) async throws {
  let place = try StorePlace(kind)
  let stores = try (0..<count).map { _ in Store(try place.database()) }
  try await body(stores)
  for store in stores { await store.close() }
}

/// The tables that several databases share.
final class StorePlace: Sendable {
  private let kind: StoreKind
  private let folder = StoreFolder()
  private let url: String

  init(_ kind: StoreKind) throws {
    self.kind = kind
    url = kind == .postgres ? try PostgresServer.shared().newDatabase() : ""
  }

  /// Makes another connection to the same tables; for `memory`, a separate memory.
  func database() throws -> any Database {
    switch kind {
    case .memory: SQLiteDatabase.inMemory()
    case .sqlite: SQLiteDatabase(path: folder.file("gateway.db"))
    case .postgres: PostgresDatabase(url: Secret(url), schema: "public", migrate: true)
    }
  }
}

/// A database of one test, which is made when the test first uses it.
final class LazyDatabase: Database {
  let kind: StoreKind
  private let made = Mutex<(place: StorePlace, database: any Database)?>(nil)

  init(_ kind: StoreKind) { self.kind = kind }

  private func database() throws(StoreError) -> any Database {
    do {
      return try made.withLock { made in
        if let made { return made.database }
        let place = try StorePlace(kind)
        let database = try place.database()
        made = (place, database)
        OpenedDatabases.current?.add(self)
        return database
      }
    } catch {
      Issue.record(error)
      throw StoreError(.unavailable, "The test's database can't be made.")
    }
  }

  var sharing: StoreSharing { (try? database().sharing) ?? .process }

  func open() async throws(StoreError) { try await database().open() }

  func transaction<Value: Sendable>(
    _ queue: StoreQueue, _ access: StoreAccess, limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await database().transaction(queue, access, limit: limit, body)
  }

  func pendingMigrations() async throws(StoreError) -> [String] { try await database().pendingMigrations() }

  func close() async { await (try? database())?.close() }

  /// Closes the database and deletes its tables.
  func end() async {
    await close()
    made.withLock { $0 = nil }
  }
}

/// Ends the databases that a test has used, when the test is over.
struct OpenedDatabases: SuiteTrait, TestTrait, TestScoping {
  @TaskLocal fileprivate static var current: Collected<LazyDatabase>?

  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    let opened = Collected<LazyDatabase>()
    try await Self.$current.withValue(opened) { try await function() }
    for database in opened.all { await database.end() }
  }
}

extension Trait where Self == OpenedDatabases {
  /// For tests with the argument `Store.ofEachKind`.
  static var stores: OpenedDatabases { OpenedDatabases() }
}

extension Store: CustomTestStringConvertible {
  /// One store of each kind, each with its own tables.
  static var ofEachKind: [Store] { StoreKind.allCases.map { Store(LazyDatabase($0)) } }

  public var testDescription: String { (database as? LazyDatabase)?.kind.rawValue ?? "store" }

  /// Changes the tables like another program.
  @discardableResult
  func sql(_ text: String, _ values: [SQLValue] = []) async throws(StoreError) -> [SQLRow] {
    try await database.rows(text, values, .tokens, limit: .seconds(10))
  }

  /// Returns the first column of the first row.
  func number(_ text: String) async throws(StoreError) -> Int64? { try await sql(text).first?.integer(0) }
}

extension TokenKey {
  static let main = TokenKey(adapter: "main", upstream: "webtalk|http://10.0.0.1|ab12")
  static let annex = TokenKey(adapter: "annex", upstream: main.upstream)
  /// `main` after its upstream was changed.
  static let elsewhere = TokenKey(adapter: "main", upstream: "webtalk|http://10.0.0.2|ab12")

  var asDefault: TokenKey { TokenKey(adapter: adapter, upstream: upstream, isDefault: true, adopts: adopts) }
  var adopting: TokenKey { TokenKey(adapter: adapter, upstream: upstream, isDefault: isDefault, adopts: true) }
}

func storedToken(_ n: Int) throws -> Token {
  try Token(access: "access-\(n)", refresh: "refresh-\(n)", expiresAt: 1_800_000_000_000, lifetime: 7_200_000)
}

extension ClaimOutcome {
  var timeLeft: Duration? {
    if case .held(let left) = self { left } else { nil }
  }
  var isHeld: Bool { (timeLeft ?? .zero) > .zero }
  var changedPair: StoredPair? {
    if case .changed(let pair) = self { pair } else { nil }
  }
}

extension SaveOutcome {
  var isLeased: Bool {
    if case .leased(let left) = self { left > .zero } else { false }
  }
  var savedPair: StoredPair? {
    if case .saved(let pair) = self { pair } else { nil }
  }
  var winner: StoredPair? {
    if case .lost(let pair) = self { pair } else { nil }
  }
}

extension Database {
  /// Runs one statement in its own transaction.
  @discardableResult
  func rows(
    _ sql: String, _ values: [SQLValue] = [], _ queue: StoreQueue = .catalogue, access: StoreAccess = .writing,
    limit: Duration = .seconds(30)
  ) async throws(StoreError) -> [SQLRow] {
    try await transaction(queue, access, limit: limit) { (session) throws(StoreError) in
      try session.query(sql, values)
    }
  }

  /// Runs `body`, which throws only `StoreError`, in a writing transaction.
  @discardableResult
  func write<Value: Sendable>(
    _ queue: StoreQueue = .catalogue, _ body: @escaping @Sendable (any SQLSession) throws -> Value
  ) async throws(StoreError) -> Value {
    try await transaction(queue, .writing, limit: .seconds(200)) { (session) throws(StoreError) in
      do { return try body(session) } catch {
        guard let error = error as? StoreError else { preconditionFailure("\(error)") }
        throw error
      }
    }
  }
}

/// Runs `body` for each input at the same time. Returns the results in the order in which they came.
func concurrently<Input: Sendable, Output: Sendable>(
  _ inputs: some Sequence<Input>, _ body: @escaping @Sendable (Input) async throws -> Output
) async throws -> [Output] {
  try await withThrowingTaskGroup(of: Output.self) { group in
    for input in inputs { group.addTask { try await body(input) } }
    return try await group.reduce(into: []) { $0.append($1) }
  }
}

/// Returns the error that `body` throws; nil when it throws none.
func storeError<Value>(_ body: () async throws -> Value) async -> StoreError? {
  do {
    _ = try await body()
  } catch let error as StoreError {
    return error
  } catch {
    Issue.record(error)
  }
  return nil
}
