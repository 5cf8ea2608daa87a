import AdapterAPI
import Foundation
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

/// Runs a test with one store and closes it.
func withStore(_ kind: StoreKind, _ body: (Store) async throws -> Void) async throws {
  try await withStores(kind, 1) { stores in try await body(stores[0]) }
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

extension Store {
  /// Changes the tables like another program.
  @discardableResult
  func sql(_ text: String, _ values: [SQLValue] = []) async throws(StoreError) -> [SQLRow] {
    try await database.transaction(.tokens, .writing, limit: .seconds(10)) { (session) throws(StoreError) in
      try session.query(text, values)
    }
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

func storedToken(_ n: Int, expiresAt: Int64 = 1_800_000_000_000) throws -> Token {
  try Token(access: "access-\(n)", refresh: "refresh-\(n)", expiresAt: expiresAt, lifetime: 7_200_000)
}

extension ClaimOutcome {
  var isHeld: Bool {
    if case .held(let left) = self { left > .zero } else { false }
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

/// Returns the code of the error that `body` throws; nil when it throws none.
func storeErrorCode(_ body: () async throws(StoreError) -> Void) async -> StoreError.Code? {
  do throws(StoreError) {
    try await body()
    return nil
  } catch {
    return error.code
  }
}
