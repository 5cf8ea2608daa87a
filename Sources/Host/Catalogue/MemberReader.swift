import AdapterAPI

/// Reads the members of one JSON object that is to be stored.
///
/// An object over the limit is scanned without storing its values or keys.
enum MemberReader {
  /// The size limit of one object in bytes, as sent: four times the limit of `metadata` without spaces.
  static let limit = 4 * ObjectDraft.maximumMetadata

  /// - Returns: the members in their order; incomplete when there are problems.
  static func members(
    of bytes: UnsafeBufferPointer<UInt8>, row: Int? = nil, into problems: inout FieldProblems
  ) throws(JSONShape.Problem) -> [JSONValue.Member] {
    guard bytes.count <= limit else {
      let field = try longestMember(of: bytes)
      problems.add(Spelling.printable(field), "is too large; an object has at most \(limit >> 10) KiB", row: row)
      return []
    }
    var members: [JSONValue.Member] = []
    var found = FieldProblems()
    try JSONPieces.members(of: bytes, uniqueKeys: true) { key, content in
      // `JSONPieces` has checked the value.
      guard let value = try? JSONValue(storing: content) else { return }
      if key.utf8.contains(0) || value.holdsNUL {
        found.add(
          Spelling.printable(key), "contains \\u0000 or half of a surrogate pair, which can't be stored", row: row)
      }
      members.append(JSONValue.Member(key, value))
    }
    problems.add(found)
    return members
  }

  private static func longestMember(of bytes: UnsafeBufferPointer<UInt8>) throws(JSONShape.Problem) -> String {
    var longest = (key: "", size: 0)
    try JSONPieces.members(of: bytes, uniqueKeys: false) { key, content in
      if content.count > longest.size { longest = (key, content.count) }
    }
    return longest.key
  }
}

extension Catalogue {
  /// Reads a body that is one JSON object.
  func members(_ request: ResourceRequest) throws(GatewayError) -> [JSONValue.Member] {
    try request.checkJSON()
    var problems = FieldProblems()
    let members: [JSONValue.Member]
    do throws(JSONShape.Problem) {
      members = try request.body.withUnsafeBufferPointer { (bytes) throws(JSONShape.Problem) in
        try MemberReader.members(of: bytes, into: &problems)
      }
    } catch {
      throw .badJSON(error.message)
    }
    guard problems.isEmpty else { throw .invalidFields(problems) }
    return members
  }
}
