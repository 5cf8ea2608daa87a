/// Finds one member of a response's outermost object in the response's first bytes, which may be cut off anywhere.
///
/// Skips nested values and checks nothing, because an upstream's response is passed on as it is. `JSONCursor` would refuse a text
/// that is cut off or not quite JSON. Of a duplicate member the first one counts.
public enum TopLevel {
  /// Returns the envelope's `code`: a whole number, or a string that is one. Nil when the bytes hold none, or no object.
  public static func code(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard var cursor = value(of: "code", in: bytes) else { return nil }
    return wholeNumber(&cursor)
  }

  public static func code(in bytes: [UInt8]) -> Int? { bytes.withUnsafeBufferPointer { code(in: $0) } }

  /// Returns whether the envelope lists points that could not be read: `errors` exists and is no empty array, object or null.
  public static func hasErrors(in bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBufferPointer { buffer in
      guard var cursor = value(of: "errors", in: buffer) else { return false }
      switch cursor.byte {
      case UInt8(ascii: "n"): return false
      case UInt8(ascii: "["): return cursor.open(closing: UInt8(ascii: "]"))
      case UInt8(ascii: "{"): return cursor.open(closing: UInt8(ascii: "}"))
      default: return true
      }
    }
  }

  /// Returns a cursor at the value of a top-level member.
  private static func value(of name: StaticString, in bytes: UnsafeBufferPointer<UInt8>) -> JSONCursor? {
    let name = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    guard var cursor = start(of: bytes), cursor.byte == UInt8(ascii: "{") else { return nil }
    cursor.position += 1
    while true {
      cursor.skipSpace()
      let start = cursor.position + 1
      guard let escaped = skipString(&cursor) else { return nil }
      let key = UnsafeBufferPointer(rebasing: bytes[start..<cursor.position - 1])
      cursor.skipSpace()
      guard cursor.byte == UInt8(ascii: ":") else { return nil }
      cursor.position += 1
      cursor.skipSpace()
      if escaped ? unescaped(key).elementsEqual(name) : key.elementsEqual(name) { return cursor }
      guard skipValue(&cursor) else { return nil }
      cursor.skipSpace()
      guard cursor.byte == UInt8(ascii: ",") else { return nil }
      cursor.position += 1
    }
  }

  /// Returns the first byte that is not white space, behind a byte order mark if there is one; nil when there is none.
  public static func firstByte(of bytes: [UInt8]) -> UInt8? {
    bytes.withUnsafeBufferPointer { buffer in
      guard let cursor = start(of: buffer), !cursor.isAtEnd else { return nil }
      return cursor.byte
    }
  }

  /// Returns why bytes that are no JSON can't be read, when another encoding than UTF-8 is the reason: `in UTF-16`, say. The end of
  /// a phrase about a body.
  public static func foreignEncoding(of bytes: [UInt8]) -> String? {
    // RFC 8259 §8.1 requires UTF-8. The first character of a JSON text is ASCII, so its zero bytes tell the encoding without a mark.
    switch (bytes.first, bytes.dropFirst().first, bytes.dropFirst(2).first, bytes.dropFirst(3).first) {
    case (0xFF, 0xFE, 0, 0), (0, 0, 0xFE, 0xFF), (0, 0, 0, _?), (_?, 0, 0, 0): "in UTF-32 instead of UTF-8"
    case (0xFF, 0xFE, _, _), (0xFE, 0xFF, _, _), (0, _?, _, _), (_?, 0, _, _): "in UTF-16 instead of UTF-8"
    default: nil
    }
  }

  /// Skips a byte order mark and white space.
  private static func start(of bytes: UnsafeBufferPointer<UInt8>) -> JSONCursor? {
    guard let base = bytes.baseAddress else { return nil }
    var cursor = JSONCursor(base, count: bytes.count)
    cursor.skipMark()
    cursor.skipSpace()
    return cursor
  }

  /// - Returns: whether the string has escapes; nil when no whole string stands here.
  private static func skipString(_ cursor: inout JSONCursor) -> Bool? {
    guard cursor.byte == UInt8(ascii: "\"") else { return nil }
    cursor.position += 1
    var escaped = false
    while true {
      cursor.skipPlain()
      guard !cursor.isAtEnd else { return nil }
      switch cursor.byte {
      case UInt8(ascii: "\""):
        cursor.position += 1
        return escaped
      case UInt8(ascii: "\\"):
        escaped = true
        guard cursor.position + 2 <= cursor.end else { return nil }
        cursor.position += 2
      default: cursor.position += 1
      }
    }
  }

  /// - Returns: false when the bytes end inside the value.
  private static func skipValue(_ cursor: inout JSONCursor) -> Bool {
    var depth = 0
    while !cursor.isAtEnd {
      switch cursor.byte {
      case UInt8(ascii: "\""): guard skipString(&cursor) != nil else { return false }
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        cursor.position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        // The end of the object around the value.
        if depth == 0 { return true }
        depth -= 1
        cursor.position += 1
      case UInt8(ascii: ",") where depth == 0: return true
      default: cursor.position += 1
      }
    }
    return false
  }

  /// Reads `301`, `301.0` or `"301"`. A byte must follow: a number at the very end may have been cut.
  private static func wholeNumber(_ cursor: inout JSONCursor) -> Int? {
    let quoted = cursor.byte == UInt8(ascii: "\"")
    if quoted { cursor.position += 1 }
    let negative = cursor.byte == UInt8(ascii: "-")
    if negative { cursor.position += 1 }
    let start = cursor.position
    var number = 0
    while cursor.byte &- UInt8(ascii: "0") < 10 {
      // Eighteen digits fit into an Int; a longer number is no code.
      guard cursor.position - start < 18 else { return nil }
      number = number * 10 + Int(cursor.byte - UInt8(ascii: "0"))
      cursor.position += 1
    }
    guard cursor.position > start else { return nil }
    if cursor.byte == UInt8(ascii: ".") {
      cursor.position += 1
      while cursor.byte == UInt8(ascii: "0") { cursor.position += 1 }
    }
    guard !cursor.isAtEnd else { return nil }
    switch cursor.byte {
    case UInt8(ascii: "\""): guard quoted else { return nil }
    case UInt8(ascii: ","), UInt8(ascii: "}"), 0x20, 0x0A, 0x0D, 0x09: guard !quoted else { return nil }
    default: return nil
    }
    return negative ? -number : number
  }
}
