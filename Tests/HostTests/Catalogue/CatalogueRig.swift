import AdapterAPI
import Foundation
import Testing

@testable import Host

/// A catalogue over a store in memory, called like the request pipeline does.
struct CatalogueRig {
  let kind: ResourceKind
  let memory = MemoryBudget(limit: 256 << 20)
  let catalogue: Catalogue

  init(
    _ kind: ResourceKind = .objects, store: Store = Store(SQLiteDatabase.inMemory()), share: Int = 1, permits: Int = 4
  ) {
    self.kind = kind
    catalogue = Catalogue(store: store, memory: memory, share: share, permits: permits)
  }

  func ask(
    _ action: ResourceAction, _ body: String = "", query: String = "", type: String? = "application/json"
  ) async throws(GatewayError) -> ResourceResponse {
    try await ask(action, Array(body.utf8), query: query, type: type)
  }

  func ask(
    _ action: ResourceAction, _ body: [UInt8], query: String = "", type: String? = "application/json"
  ) async throws(GatewayError) -> ResourceResponse {
    let path = kind == .objects ? "/api/objects" : "/api/dashboard/widgets"
    return try await catalogue.respond(
      to: ResourceRequest(kind: kind, action: action, path: path, query: query, contentType: type, body: body))
  }

  /// Returns the error that the action must throw.
  func refusal(
    _ action: ResourceAction, _ body: String = "", query: String = "", type: String? = "application/json"
  ) async -> GatewayError? {
    await #expect(throws: GatewayError.self) { try await ask(action, body, query: query, type: type) }
  }

  @discardableResult
  func create(_ body: String, type: String? = "application/json") async throws -> StoredObject {
    StoredObject(try await ask(.create, body, type: type))
  }

  func list(_ query: String = "") async throws -> [StoredObject] {
    let value = try JSONValue(parsing: try await ask(.list, query: query).body)
    return (value.array ?? []).map(StoredObject.init)
  }
}

/// An object from a response.
struct StoredObject {
  let value: JSONValue
  init(_ value: JSONValue) { self.value = value }
  init(_ response: ResourceResponse) { value = (try? JSONValue(parsing: response.body)) ?? .null }

  var id: String { self["id"] }
  var metadata: String { value["metadata"].map { String(decoding: $0.serialized, as: UTF8.self) } ?? "" }
  subscript(field: String) -> String { value[field]?.string ?? "" }
}

extension GatewayError {
  /// Each problem as `row.field`, or `field`.
  var places: [String] { problems.map { ($0.row.map { "\($0)." } ?? "") + $0.field } }
}
