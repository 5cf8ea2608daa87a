import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

extension PostgresDatabase {
  /// On a fresh database of a server.
  convenience init(_ url: String, schema: String = "public", migrate: Bool = true) {
    self.init(url: Secret(url), schema: schema, migrate: migrate)
  }

  /// One statement in a transaction of its own.
  @discardableResult
  func rows(
    _ sql: String, _ values: [SQLValue] = [], _ lane: StoreQueue = .catalogue, _ access: StoreAccess = .writing,
    limit: Duration = .seconds(30)
  ) async throws(StoreError) -> [SQLRow] {
    try await transaction(lane, access, limit: limit) { (session) throws(StoreError) in
      try session.query(sql, values)
    }
  }
}

/// The error that `body` throws; nil when it throws none.
func storeError<Value>(_ body: () async throws(StoreError) -> Value) async -> StoreError? {
  do throws(StoreError) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// Gives a test a database of its own on the shared server.
func withPostgres(_ body: (PostgresDatabase, _ url: String) async throws -> Void) async throws {
  let url = try PostgresServer.shared().newDatabase()
  let database = PostgresDatabase(url)
  try await body(database, url)
  await database.close()
}

/// Asks again until it is so; the time limit of the test ends it.
func until(_ condition: () async throws -> Bool) async throws {
  while !(try await condition()) { try await Task.sleep(for: .milliseconds(20)) }
}
