import AdapterAPI

/// The values that a sync wrote last. A field is nil when no sync wrote it.
struct SyncBase: Sendable, Equatable {
  var name: String?
  var type: String?
  /// `.null` for an absent description.
  var description: JSONValue?
  var metadata: [JSONValue.Member] = []

  init() {}

  init(_ object: CatalogueObject, _ metadata: [JSONValue.Member]) {
    name = object.name
    type = object.type
    description = object.description.map { .string($0) } ?? .null
    self.metadata = metadata
  }

  /// Reads the stored text; a nil or unreadable text gives an empty base.
  init(_ text: String?) {
    guard let text, let value = try? JSONValue(parsing: Array(text.utf8)) else { return }
    name = value["name"]?.string
    type = value["type"]?.string
    description = value["description"]
    if case .object(let members)? = value["metadata"] { metadata = members }
  }

  /// The text to store.
  var text: String {
    var members: [JSONValue.Member] = []
    if let name { members.append(.init("name", .string(name))) }
    if let type { members.append(.init("type", .string(type))) }
    if let description { members.append(.init("description", description)) }
    members.append(.init("metadata", .object(metadata)))
    return String(decoding: JSONValue.object(members).serialized, as: UTF8.self)
  }
}
