import AdapterAPI
import Foundation
import Testing

@testable import Host

/// Every kind of store, for tests that all of them have to pass.
enum StoreKind: String, CaseIterable, Sendable {
  case memory, sqlite
}

/// A folder that is gone after the test.
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

/// Gives a test its store, and the file below it time to go.
func withStore(_ kind: StoreKind, _ body: (any TokenStore) async throws -> Void) async throws {
  switch kind {
  case .memory: try await body(Store(SQLiteDatabase.inMemory()))
  case .sqlite:
    let folder = StoreFolder()
    let store = Store(SQLiteDatabase(path: folder.file("gateway.db")))
    try await body(store)
    await store.close()
  }
}

func storedToken(_ n: Int, expiresAt: Int64 = 1_800_000_000_000) throws -> Token {
  try Token(access: "access-\(n)", refresh: "refresh-\(n)", expiresAt: expiresAt, lifetime: 7_200_000)
}

extension SaveOutcome {
  var savedPair: StoredPair? {
    if case .saved(let pair) = self { pair } else { nil }
  }
  var winner: StoredPair? {
    if case .lost(let pair) = self { pair } else { nil }
  }
}

/// The code of the error that `body` throws; nil when it throws none.
func storeErrorCode(_ body: () async throws(StoreError) -> Void) async -> StoreError.Code? {
  do throws(StoreError) {
    try await body()
    return nil
  } catch {
    return error.code
  }
}
