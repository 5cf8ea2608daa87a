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
}

/// Runs a test with its own database on the shared server.
func withPostgres(_ body: (PostgresDatabase, _ url: String) async throws -> Void) async throws {
  let url = try PostgresServer.shared().newDatabase()
  let database = PostgresDatabase(url)
  try await body(database, url)
  await database.close()
}
