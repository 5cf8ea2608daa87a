import AdapterAPI

/// The unchecked members of an object as received; nil for absent ones.
struct ObjectDraft: Sendable {
  static let maximumCode = 255
  static let maximumName = 255
  static let maximumType = 64
  static let maximumDescription = 500
  /// The limit in bytes, as JSON without spaces.
  static let maximumMetadata = 256 << 10
  /// With the enclosing object this is the limit of a body, so that every response can be sent back as a request.
  static let maximumDepth = JSONShape.maximumDepth - 1

  var code: JSONValue?
  var name: JSONValue?
  var type: JSONValue?
  var description: JSONValue?
  var metadata: JSONValue?
  /// Members without a column of their own, which are stored in the metadata.
  var extras: [JSONValue.Member] = []

  init() {}

  /// - Parameter members: without duplicate keys.
  init(_ members: [JSONValue.Member]) {
    for member in members {
      switch member.key {
      // Assigned by the gateway, or given in the path.
      case "id": break
      case "code": code = member.value
      case "name": name = member.value
      case "type": type = member.value
      case "description": description = member.value
      case "metadata": metadata = member.value
      default: extras.append(member)
      }
    }
  }

  /// Checks the draft and returns the object; nil when at least one problem was added.
  func object(id: String, row: Int? = nil, into problems: inout FieldProblems) -> CatalogueObject? {
    let before = problems.count
    let metadata = mergedMetadata(row, &problems)
    let code = text(code, "code", Self.maximumCode, row, &problems)
    let name = text(name, "name", Self.maximumName, row, &problems)
    let type = text(type, "type", Self.maximumType, row, &problems)
    let description = text(description, "description", Self.maximumDescription, row, &problems)
    let value = JSONValue.object(metadata)
    if value.isDeeper(than: Self.maximumDepth) {
      problems.add("metadata", "is nested more than \(Self.maximumDepth) levels deep", row: row)
    }
    let json = value.serialized
    if json.count > Self.maximumMetadata {
      problems.add(
        "metadata", "has \(json.count) bytes as JSON without spaces; \(Self.maximumMetadata >> 10) KiB are allowed",
        row: row)
    }
    if let code {
      if code.isEmpty { problems.add("code", "must not be empty", row: row) }
      if code.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
        problems.add("code", "must not have control characters", row: row)
      }
    } else if self.code == nil || self.code == .null {
      problems.add("code", "is missing; every object needs one", row: row)
    }
    guard problems.count == before, let code else { return nil }
    return CatalogueObject(
      id: id, code: code, name: name ?? code, type: type ?? "", description: description,
      metadata: String(decoding: json, as: UTF8.self))
  }

  /// Returns nil when the value is absent, null or wrong.
  private func text(
    _ value: JSONValue?, _ field: String, _ limit: Int, _ row: Int?, _ problems: inout FieldProblems
  ) -> String? {
    guard let value, value != .null else { return nil }
    guard let text = value.string else {
      problems.add(field, "must be text", row: row)
      return nil
    }
    // PostgreSQL counts characters as Unicode scalars.
    if text.utf8.count > limit, text.unicodeScalars.count > limit {
      problems.add(field, "has more than \(limit) characters", row: row)
    }
    return text
  }

  private func mergedMetadata(_ row: Int?, _ problems: inout FieldProblems) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    switch metadata {
    case nil, .null?: break
    case .object(let given)?: members = given
    default: problems.add("metadata", "must be an object", row: row)
    }
    guard !extras.isEmpty else { return members }
    var known: [ObjectCode: JSONValue] = [:]
    for member in members { known[ObjectCode(member.key)] = member.value }
    for extra in extras {
      if let value = known[ObjectCode(extra.key)] {
        if value != extra.value { addContradiction(extra.key, row, &problems) }
      } else {
        members.append(extra)
      }
    }
    return members
  }

  private func addContradiction(_ key: String, _ row: Int?, _ problems: inout FieldProblems) {
    problems.add(
      Spelling.printable(key), "occurs in 'metadata' too, with another value; send it once", row: row)
  }

  /// Returns the object with these members merged into it (RFC 7396). Null restores a member's default.
  func patch(_ old: CatalogueObject) -> Result<CatalogueObject, FieldProblems> {
    var problems = FieldProblems()
    var draft = ObjectDraft()
    draft.code = code ?? .string(old.code)
    draft.name = name ?? .string(old.name)
    draft.type = type ?? .string(old.type)
    draft.description = description ?? old.description.map { .string($0) }
    draft.metadata = metadata
    if metadata != .null {
      guard case .object(let stored)? = try? JSONValue(parsing: Array(old.metadata.utf8)) else {
        problems.add("metadata", "is stored in a form that can't be merged with; replace the object with PUT")
        return .failure(problems)
      }
      draft.metadata = metadata.map { MergePatch.apply($0, to: .object(stored)) } ?? .object(stored)
    }
    contradictions(&problems)
    if !extras.isEmpty { draft.mergeExtras(extras) }
    guard let new = draft.object(id: old.id, into: &problems), problems.isEmpty else { return .failure(problems) }
    return .success(new)
  }

  /// Adds a problem for each name that occurs in `metadata` and beside it with different values.
  private func contradictions(_ problems: inout FieldProblems) {
    guard !extras.isEmpty, case .object(let given)? = metadata else { return }
    var known: [ObjectCode: JSONValue] = [:]
    for member in given { known[ObjectCode(member.key)] = member.value }
    for extra in extras {
      if let value = known[ObjectCode(extra.key)], value != extra.value {
        addContradiction(extra.key, nil, &problems)
      }
    }
  }

  private mutating func mergeExtras(_ extras: [JSONValue.Member]) {
    switch metadata {
    case nil, .null?: metadata = .object(MergePatch.merge(extras, into: []))
    case .object(let members)?: metadata = .object(MergePatch.merge(extras, into: members))
    // `object` reports metadata that is not an object.
    default: break
    }
  }
}

extension JSONValue {
  fileprivate func isDeeper(than limit: Int) -> Bool {
    switch self {
    case .null, .flag, .number, .string: false
    case .array(let elements): limit == 0 || elements.contains { $0.isDeeper(than: limit - 1) }
    case .object(let members): limit == 0 || members.contains { $0.value.isDeeper(than: limit - 1) }
    }
  }
}
