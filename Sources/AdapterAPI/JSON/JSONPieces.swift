/// Takes a JSON text apart at its top level only, and checks all of it.
///
/// The values inside are handed out as they are written, so that a value that is too large is refused before anything is built of
/// it, and of a long array only one element is built at a time.
public enum JSONPieces {
  /// Calls `each` with every element of one JSON array, in order, until it returns false.
  ///
  /// Each element is valid JSON with a depth of at most 64. Duplicate keys in it are not detected.
  ///
  /// - Parameter each: Takes an element's bytes, valid during the call, and its offset from the first byte of the text.
  /// - Throws: the first problem. Elements before it have been handed out.
  public static func elements(
    of bytes: UnsafeBufferPointer<UInt8>, _ each: (UnsafeBufferPointer<UInt8>, _ offset: Int) -> Bool
  ) throws(JSONShape.Problem) {
    var cursor = try JSONCursor(bytes)
    guard cursor.byte == UInt8(ascii: "[") else { throw cursor.problem(.notAnArray) }
    if cursor.open(closing: UInt8(ascii: "]")) {
      repeat {
        let start = cursor.position
        try cursor.skipValue(limit: JSONShape.maximumDepth)
        guard each(UnsafeBufferPointer(rebasing: bytes[start..<cursor.position]), start) else { return }
      } while try cursor.another(closing: UInt8(ascii: "]"))
    }
    try cursor.finish()
  }

  /// Calls `each` with every member of one JSON object, in order. The whole is valid JSON with a depth of at most 64.
  ///
  /// - Parameters:
  ///   - uniqueKeys: Whether a key may stand only once in each object, at every depth. Remembers every key, which costs several
  ///     times the text's size.
  ///   - allowsMark: Whether a byte order mark may precede the object, as in a response of an upstream.
  ///   - each: Takes the key, in which a lone surrogate has become U+0000 (`JSONValue.init(storing:)`), and its value's bytes,
  ///     valid during the call.
  /// - Throws: the first problem. Members before it have been handed out.
  public static func members(
    of bytes: UnsafeBufferPointer<UInt8>, uniqueKeys: Bool, allowsMark: Bool = false,
    _ each: (_ key: String, UnsafeBufferPointer<UInt8>) -> Void
  ) throws(JSONShape.Problem) {
    var cursor = try JSONCursor(bytes, allowsMark: allowsMark)
    guard cursor.byte == UInt8(ascii: "{") else { throw cursor.problem(.notAnObject) }
    if cursor.open(closing: UInt8(ascii: "}")) {
      cursor.marksLoneSurrogates = true
      var keys = SeenKeys(cursor.base)
      repeat {
        let keyStart = cursor.position
        if uniqueKeys { try cursor.uniqueKey(&keys) }
        cursor.position = keyStart
        let key = try cursor.text()
        try cursor.colon()
        let start = cursor.position
        if uniqueKeys {
          try cursor.skipValueWithUniqueKeys(limit: JSONShape.maximumDepth - 1)
        } else {
          try cursor.skipValue(limit: JSONShape.maximumDepth - 1)
        }
        each(key, UnsafeBufferPointer(rebasing: bytes[start..<cursor.position]))
      } while try cursor.another(closing: UInt8(ascii: "}"))
    }
    try cursor.finish()
  }
}
