/// Looks for one member of an answer's outermost object, in the first bytes of an answer that may be cut off anywhere.
///
/// It never looks into nested values, and it checks nothing: an upstream's answer is passed on as it is. Where the
/// answer has the member twice, the first one counts.
public enum TopLevel {
  /// The envelope's `code`: a whole number, or a string that is one. Nil when there is none within the bytes, or no
  /// object.
  public static func code(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard var cursor = value(of: "code", in: bytes) else { return nil }
    return wholeNumber(&cursor)
  }

  public static func code(in bytes: [UInt8]) -> Int? { bytes.withUnsafeBufferPointer { code(in: $0) } }

  /// The envelope lists points that could not be read: `errors` is there and is no empty array, object or null.
  public static func hasErrors(in bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBufferPointer { buffer in
      guard var cursor = value(of: "errors", in: buffer) else { return false }
      switch cursor.byte {
      case UInt8(ascii: "n"): return false
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        let end = cursor.byte + 2
        cursor.position += 1
        cursor.skipSpace()
        return cursor.isAtEnd || cursor.byte != end
      default: return true
      }
    }
  }

  /// Where the value of a top-level member begins.
  private static func value(of name: StaticString, in bytes: UnsafeBufferPointer<UInt8>) -> JSONCursor? {
    let name = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    guard let base = bytes.baseAddress else { return nil }
    var cursor = JSONCursor(base, count: bytes.count)
    cursor.position = startOfText(bytes)
    cursor.skipSpace()
    guard cursor.byte == UInt8(ascii: "{") else { return nil }
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

  /// The first byte that is not white space, behind a byte order mark where a web server put one.
  public static func firstByte(of bytes: [UInt8]) -> UInt8? {
    bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return nil }
      var cursor = JSONCursor(base, count: buffer.count)
      cursor.position = startOfText(buffer)
      cursor.skipSpace()
      return cursor.isAtEnd ? nil : cursor.byte
    }
  }

  /// Behind a byte order mark: RFC 8259 §8.1 lets a reader ignore one.
  private static func startOfText(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    bytes.count >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf ? 3 : 0
  }

  /// - Returns: whether it has escapes; nil when no whole string stands here.
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
        // The end of the object that the value stands in.
        if depth == 0 { return true }
        depth -= 1
        cursor.position += 1
      case UInt8(ascii: ",") where depth == 0: return true
      default: cursor.position += 1
      }
    }
    return false
  }

  /// `301`, `301.0` or `"301"`, followed by something: a number at the very end may have been cut.
  private static func wholeNumber(_ cursor: inout JSONCursor) -> Int? {
    let quoted = cursor.byte == UInt8(ascii: "\"")
    if quoted { cursor.position += 1 }
    let negative = cursor.byte == UInt8(ascii: "-")
    if negative { cursor.position += 1 }
    let start = cursor.position
    var number = 0
    while cursor.byte &- 48 < 10 {
      // Eighteen digits fit into an Int; a longer number is no code.
      guard cursor.position - start < 18 else { return nil }
      number = number * 10 + Int(cursor.byte - 48)
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
    case UInt8(ascii: ","), UInt8(ascii: "}"), 0x20, 0x0a, 0x0d, 0x09: guard !quoted else { return nil }
    default: return nil
    }
    return negative ? -number : number
  }
}
