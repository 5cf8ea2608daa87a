import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

extension PostgresDatabase {
  /// Opens a database of the test server.
  convenience init(_ url: String, schema: String = "public", migrate: Bool = true) {
    self.init(url: Secret(url), schema: schema, migrate: migrate)
  }

  /// Runs one statement in its own transaction.
  @discardableResult
  func rows(
    _ sql: String, _ values: [SQLValue] = [], _ queue: StoreQueue = .catalogue, _ access: StoreAccess = .writing,
    limit: Duration = .seconds(30)
  ) async throws(StoreError) -> [SQLRow] {
    try await transaction(queue, access, limit: limit) { (session) throws(StoreError) in
      try session.query(sql, values)
    }
  }
}

/// Returns the error that `body` throws; nil when it throws none.
func storeError<Value>(_ body: () async throws(StoreError) -> Value) async -> StoreError? {
  do throws(StoreError) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// Runs a test with its own database on the shared server.
func withPostgres(_ body: (PostgresDatabase, _ url: String) async throws -> Void) async throws {
  let url = try PostgresServer.shared().newDatabase()
  let database = PostgresDatabase(url)
  try await body(database, url)
  await database.close()
}

/// Repeats until the condition is true or the test's time limit ends.
func until(_ condition: () async throws -> Bool) async throws {
  while !(try await condition()) { try await Task.sleep(for: .milliseconds(20)) }
}
