import AdapterAPI

/// The unchecked members of an object as received; nil for absent ones.
struct ObjectDraft: Sendable {
  static let maximumCode = 255
  static let maximumName = 255
  static let maximumType = 64
  static let maximumDescription = 500
  static let maximumModel = 255
  static let maximumStatus = 64
  /// The limit in bytes, as JSON without spaces and with all digits of each number.
  static let maximumMetadata = 256 << 10
  /// With the enclosing object this is the limit of a body, so that every response can be sent back as a request.
  static let maximumDepth = JSONShape.maximumDepth - 1

  /// The members that a caller may send; `id` is ignored, because the path or the gateway gives it.
  static let members = ["code", "name", "type", "description", "metadata", "modelId", "status", "id"]

  var code: JSONValue?
  var name: JSONValue?
  var type: JSONValue?
  var description: JSONValue?
  var model: JSONValue?
  var status: JSONValue?
  var metadata: JSONValue?
  /// Members of the metadata from CSV columns of their own.
  var metadataMembers: [JSONValue.Member] = []
  /// The keys of unknown members.
  private var unknown: [String] = []

  init() {}

  /// - Parameter members: without duplicate keys.
  init(_ members: [JSONValue.Member]) {
    for member in members {
      switch member.key {
      case "id": break
      case "code": code = member.value
      case "name": name = member.value
      case "type": type = member.value
      case "description": description = member.value
      case "modelId": model = member.value
      case "status": status = member.value
      case "metadata": metadata = member.value
      default: unknown.append(member.key)
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
    let model = text(model, "modelId", Self.maximumModel, row, &problems)
    let status = text(status, "status", Self.maximumStatus, row, &problems)
    let json = checked(metadata, row, &problems)
    if let code {
      if code.isEmpty { problems.add("code", "must not be empty", row: row) }
      if code.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
        problems.add("code", "must not have control characters", row: row)
      }
    } else if self.code == nil || self.code == .null {
      problems.add("code", "is missing; every object needs one", row: row)
    }
    addUnknown(row, &problems)
    guard problems.count == before, let code else { return nil }
    return CatalogueObject(
      id: id, code: code, name: name ?? code, type: type ?? "", description: description, model: model, status: status,
      metadata: String(decoding: json, as: UTF8.self))
  }

  private func addUnknown(_ row: Int?, _ problems: inout FieldProblems) {
    for key in unknown {
      let hint = Spelling.hint(for: key, among: Self.members)
      let known =
        "; an object has \(Self.members.dropLast().joined(separator: ", ")), and 'metadata' takes further ones"
      problems.add(Spelling.printable(key), "is unknown" + (hint.isEmpty ? known : hint), row: row)
    }
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

  // MARK: metadata

  /// Returns the metadata as JSON without spaces.
  private func checked(_ members: [JSONValue.Member], _ row: Int?, _ problems: inout FieldProblems) -> [UInt8] {
    let value = JSONValue.object(members)
    if value.isDeeper(than: Self.maximumDepth) {
      problems.add("metadata", "is nested more than \(Self.maximumDepth) levels deep", row: row)
    }
    let json = value.serialized
    let (growth, isStorable) = value.growth
    if !isStorable {
      problems.add(
        "metadata",
        "has a number with more digits than can be stored: \(JSONNumber.maximumWhole) before and "
          + "\(JSONNumber.maximumFraction) after the point", row: row)
    } else if json.count + growth > Self.maximumMetadata {
      let written = growth > 0 ? "without spaces and exponents" : "without spaces"
      problems.add(
        "metadata",
        "has \(json.count + growth) bytes as JSON \(written); \(Self.maximumMetadata >> 10) KiB are allowed", row: row)
    }
    return json
  }

  private func mergedMetadata(_ row: Int?, _ problems: inout FieldProblems) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    switch metadata {
    case nil, .null?: break
    case .object(let given)?: members = given
    default: problems.add("metadata", "must be an object", row: row)
    }
    guard !metadataMembers.isEmpty else { return members }
    var known: [ObjectCode: JSONValue] = [:]
    for member in members { known[ObjectCode(member.key)] = member.value }
    for extra in metadataMembers {
      if let value = known[ObjectCode(extra.key)] {
        guard !value.isSame(as: extra.value) else { continue }
        problems.add(
          Spelling.printable(extra.key), "occurs in 'metadata' too, with another value; send it once", row: row)
      } else {
        members.append(extra)
      }
    }
    return members
  }

  // MARK: changing an object

  /// Returns the object that replaces `old`: metadata that was not sent stay.
  func replacement(of old: CatalogueObject) -> Result<CatalogueObject, FieldProblems> {
    guard metadata == nil else { return object(like: old, self) }
    return storedMetadata(of: old).flatMap { stored in
      var draft = self
      draft.metadata = stored
      return object(like: old, draft)
    }
  }

  /// Returns the object with these members merged into it (RFC 7396). Null restores a member's default.
  func patch(_ old: CatalogueObject) -> Result<CatalogueObject, FieldProblems> {
    var draft = self
    draft.code = code ?? .string(old.code)
    draft.name = name ?? .string(old.name)
    draft.type = type ?? .string(old.type)
    draft.description = description ?? old.description.map { .string($0) }
    draft.model = model ?? old.model.map { .string($0) }
    draft.status = status ?? old.status.map { .string($0) }
    if metadata == .null { return object(like: old, draft) }
    return storedMetadata(of: old).flatMap { stored in
      draft.metadata = metadata.map { MergePatch.apply($0, to: stored) } ?? stored
      return object(like: old, draft)
    }
  }

  private func object(like old: CatalogueObject, _ draft: ObjectDraft) -> Result<CatalogueObject, FieldProblems> {
    var problems = FieldProblems()
    return draft.object(id: old.id, into: &problems).map { .success($0) } ?? .failure(problems)
  }

  private func storedMetadata(of old: CatalogueObject) -> Result<JSONValue, FieldProblems> {
    if let stored = try? JSONValue(parsing: Array(old.metadata.utf8)), case .object = stored { return .success(stored) }
    var problems = FieldProblems()
    problems.add("metadata", "is stored in a form that can't be read; replace the object with PUT and send it")
    return .failure(problems)
  }
}

extension JSONNumber {
  /// The digits that PostgreSQL's `numeric` can hold, which is the number type of `jsonb`.
  static let maximumWhole = 131_072
  static let maximumFraction = 16_383

  var isStorable: Bool { written.whole <= Self.maximumWhole && written.fraction <= Self.maximumFraction }
}

extension JSONValue {
  fileprivate func isDeeper(than limit: Int) -> Bool {
    switch self {
    case .null, .flag, .number, .string: false
    case .array(let elements): limit == 0 || elements.contains { $0.isDeeper(than: limit - 1) }
    case .object(let members): limit == 0 || members.contains { $0.value.isDeeper(than: limit - 1) }
    }
  }

  /// The number of bytes by which PostgreSQL writes the numbers longer than the caller, because it writes no exponents; and
  /// whether it can store all of them. Without this limit, a few bytes as `1e131071` would become an unlimited response.
  fileprivate var growth: (bytes: Int, isStorable: Bool) {
    var all = (bytes: 0, isStorable: true)
    func add(_ value: JSONValue) {
      let (bytes, isStorable) = value.growth
      all.bytes += bytes
      all.isStorable = all.isStorable && isStorable
    }
    switch self {
    case .null, .flag, .string: break
    case .number(let text):
      guard text.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) || text.utf8.count > 16_000 else { break }
      let number = JSONNumber(text)
      all.isStorable = number.isStorable
      let length = number.written.whole + number.written.fraction + 2
      all.bytes = number.isStorable ? max(0, length - text.utf8.count) : 0
    case .array(let elements): for element in elements { add(element) }
    case .object(let members): for member in members { add(member.value) }
    }
    return all
  }
}
