/// Takes JSON text apart at its top only, and checks all of it on the way.
///
/// The values inside are handed out as they stand in the text, so that one that is too large is refused before anything
/// is built of it, and of a long array only one element is built at a time.
public enum JSONPieces {
  /// Calls `each` with every element of one JSON array, in order, until it says false.
  ///
  /// The elements are valid JSON with a depth of at most 64 each. Keys that stand twice in them are not looked for.
  ///
  /// - Parameter each: an element's bytes, and its offset from the first byte of all.
  public static func elements(
    of bytes: UnsafeBufferPointer<UInt8>, _ each: (UnsafeBufferPointer<UInt8>, _ offset: Int) -> Bool
  ) throws(JSONShape.Problem) {
    guard var cursor = try JSONCursor(opening: bytes, UInt8(ascii: "[")) else { return }
    while true {
      let start = cursor.position
      try cursor.skipValue(depth: 1, limit: JSONShape.maximumDepth + 1, uniqueKeys: false)
      guard each(UnsafeBufferPointer(rebasing: bytes[start..<cursor.position]), start) else { return }
      guard try cursor.another(closing: UInt8(ascii: "]")) else { break }
    }
    try cursor.finish()
  }

  /// Calls `each` with every member of one JSON object, in order.
  ///
  /// The whole is valid JSON with a depth of at most 64.
  ///
  /// - Parameter uniqueKeys: no object in it may have a key twice. Every key is remembered for that, so it is asked for
  ///   texts of which that may cost several times the size.
  /// - Parameter each: the key, where a lone surrogate has become U+0000 (`JSONValue.init(storing:)`); its value's bytes.
  public static func members(
    of bytes: UnsafeBufferPointer<UInt8>, uniqueKeys: Bool, _ each: (_ key: String, UnsafeBufferPointer<UInt8>) -> Void
  ) throws(JSONShape.Problem) {
    guard var cursor = try JSONCursor(opening: bytes, UInt8(ascii: "{")) else { return }
    cursor.marksLoneSurrogates = true
    var keys = SeenKeys(cursor.base)
    while true {
      let start = cursor.position
      if uniqueKeys { try cursor.uniqueKey(&keys) }
      cursor.position = start
      let key = try cursor.text()
      try cursor.colon()
      let valueStart = cursor.position
      try cursor.skipValue(depth: 1, limit: JSONShape.maximumDepth, uniqueKeys: uniqueKeys)
      each(key, UnsafeBufferPointer(rebasing: bytes[valueStart..<cursor.position]))
      guard try cursor.another(closing: UInt8(ascii: "}")) else { break }
    }
    try cursor.finish()
  }
}

extension JSONCursor {
  /// Behind the opening bracket, before the first piece; nil for a whole text that has none.
  fileprivate init?(opening bytes: UnsafeBufferPointer<UInt8>, _ bracket: UInt8) throws(JSONShape.Problem) {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { throw JSONShape.Problem(.empty, at: 0) }
    self.init(base, count: bytes.count)
    skipSpace()
    guard !isAtEnd else { throw JSONShape.Problem(.empty, at: 0) }
    let isArray = bracket == UInt8(ascii: "[")
    guard byte == bracket else { throw problem(isArray ? .notAnArray : .notAnObject) }
    position += 1
    skipSpace()
    guard byte == (isArray ? UInt8(ascii: "]") : UInt8(ascii: "}")) else { return }
    position += 1
    try finish()
    return nil
  }

  fileprivate mutating func finish() throws(JSONShape.Problem) {
    skipSpace()
    guard isAtEnd else { throw problem(.trailing) }
  }

  /// Moves behind a value and checks it whole.
  fileprivate mutating func skipValue(depth: Int, limit: Int, uniqueKeys: Bool) throws(JSONShape.Problem) {
    switch byte {
    case UInt8(ascii: "{"):
      guard depth < limit else { throw problem(.depth) }
      try skipObject(depth: depth + 1, limit: limit, uniqueKeys: uniqueKeys)
    case UInt8(ascii: "["):
      guard depth < limit else { throw problem(.depth) }
      position += 1
      skipSpace()
      if byte == UInt8(ascii: "]") {
        position += 1
        return
      }
      repeat {
        try skipValue(depth: depth + 1, limit: limit, uniqueKeys: uniqueKeys)
      } while try another(closing: UInt8(ascii: "]"))
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
    default: try literal()
    }
  }

  private mutating func skipObject(depth: Int, limit: Int, uniqueKeys: Bool) throws(JSONShape.Problem) {
    position += 1
    skipSpace()
    if byte == UInt8(ascii: "}") {
      position += 1
      return
    }
    var keys = SeenKeys(base)
    repeat {
      if uniqueKeys {
        try uniqueKey(&keys)
      } else {
        _ = try string()
      }
      try colon()
      try skipValue(depth: depth, limit: limit, uniqueKeys: uniqueKeys)
    } while try another(closing: UInt8(ascii: "}"))
  }

  fileprivate mutating func uniqueKey(_ keys: inout SeenKeys) throws(JSONShape.Problem) {
    let start = position + 1
    let escaped = try string()
    guard keys.insert(start: start, count: position - 1 - start, escaped: escaped) else {
      throw JSONShape.Problem(.duplicateKey, at: start - 1)
    }
  }

  /// The colon behind a key, and the space around it.
  fileprivate mutating func colon() throws(JSONShape.Problem) {
    skipSpace()
    guard byte == UInt8(ascii: ":") else { throw problem(.syntax) }
    position += 1
    skipSpace()
  }
}
