import AdapterAPI

/// Reads the members of one JSON object that is to be stored.
///
/// Each member is looked at before anything is built of it, so that no body costs much more memory than it has bytes.
enum MemberReader {
  /// How many bytes the members of one object may have as they were sent: four times what `metadata` may have without
  /// spaces.
  static let limit = 4 * ObjectDraft.maximumMetadata

  /// - Returns: the members in their order; incomplete where there are problems.
  static func members(
    of bytes: UnsafeBufferPointer<UInt8>, row: Int? = nil, into problems: inout FieldProblems
  ) throws(JSONShape.Problem) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    var size = 0
    var found = FieldProblems()
    try JSONPieces.members(of: bytes) { key, content in
      size += key.utf8.count + content.count
      if size > limit {
        found.add(Spelling.printable(key), "is too large; an object has at most \(limit >> 10) KiB", row: row)
        return
      }
      // `JSONPieces` has checked the value.
      guard let value = try? JSONValue(storing: content) else { return }
      if key.utf8.contains(0) || value.holdsNUL {
        found.add(
          Spelling.printable(key), "holds \\u0000 or half of a surrogate pair, which can't be stored", row: row)
      }
      members.append(JSONValue.Member(key, value))
    }
    problems.add(found)
    return members
  }
}

extension Catalogue {
  /// The members of a body that is one object.
  func members(_ request: ResourceRequest) throws(GatewayError) -> [JSONValue.Member] {
    try request.checkJSON()
    var problems = FieldProblems()
    let members: [JSONValue.Member]
    do throws(JSONShape.Problem) {
      members = try request.body.withUnsafeBufferPointer { (bytes) throws(JSONShape.Problem) in
        try MemberReader.members(of: bytes, into: &problems)
      }
    } catch {
      throw .badJSON(error.sentence)
    }
    guard problems.isEmpty else { throw .invalidFields(problems) }
    return members
  }
}
