/// Says whether bytes are one JSON object that the gateway may pass on, without taking it apart.
///
/// RFC 8259, read strictly: valid UTF-8, no byte order mark, nothing but white space around, depth at most 64, and no
/// key twice at the top, where two readers could pick different ones (`"c\u006fdes"` is `"codes"`). Runs on every
/// request: one pass, and no allocation unless a key has escapes or the object more than sixteen members.
public enum JSONShape {
  /// How deep arrays and objects may stand in one another; the outermost object counts.
  public static let maximumDepth = 64

  public enum Fault: UInt8, Sendable, CaseIterable {
    case empty, notAnObject, notAnArray, syntax, cut, escape, controlCharacter, encoding, depth, duplicateKey, trailing
  }

  /// What is wrong, and where.
  public struct Problem: Error, Sendable, Equatable {
    public let fault: Fault
    /// Counted in bytes from the body's first.
    public let offset: Int

    public init(_ fault: Fault, at offset: Int) {
      self.fault = fault
      self.offset = offset
    }

    /// A sentence for the caller.
    public var message: String {
      switch fault {
      case .empty: "The body is empty; send JSON."
      case .notAnObject: "The body is not a JSON object; it must start with '{' (byte \(offset))."
      case .notAnArray: "The body is not a JSON array; it must start with '[' (byte \(offset))."
      case .syntax: "The body is not valid JSON at byte \(offset)."
      case .cut: "The body's JSON ends too early, at byte \(offset)."
      case .escape: "The body has an escape in a string that JSON does not know, at byte \(offset)."
      case .controlCharacter: "The body has an unescaped control character in a string, at byte \(offset)."
      case .encoding: "The body is not valid UTF-8 at byte \(offset)."
      case .depth: "The body's JSON is nested more than \(maximumDepth) levels deep, at byte \(offset)."
      case .duplicateKey: "The body's JSON object has the same key twice, at byte \(offset); send it once."
      case .trailing: "The body goes on after its JSON, at byte \(offset); send one value only."
      }
    }
  }

  /// Checks a body. Nil: it is one JSON object.
  public static func check(_ bytes: UnsafeBufferPointer<UInt8>) -> Problem? {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return Problem(.empty, at: 0) }
    var cursor = JSONCursor(base, count: bytes.count)
    do throws(Problem) {
      try walk(&cursor)
      return nil
    } catch {
      return error
    }
  }

  public static func check(_ bytes: [UInt8]) -> Problem? { bytes.withUnsafeBufferPointer { check($0) } }

  private static func walk(_ cursor: inout JSONCursor) throws(Problem) {
    cursor.skipSpace()
    guard !cursor.isAtEnd else { throw Problem(.empty, at: 0) }
    guard cursor.byte == UInt8(ascii: "{") else { throw cursor.problem(.notAnObject) }

    var keys = SeenKeys(cursor.base)
    // One bit per level, the innermost lowest: 1 for an object, 0 for an array.
    var levels: UInt64 = 0
    var depth = 0
    // A value comes next (true), or what follows one (false).
    var expectsValue = true

    while true {
      if expectsValue {
        switch cursor.byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
          guard depth < maximumDepth else { throw cursor.problem(.depth) }
          let isObject = cursor.byte == UInt8(ascii: "{")
          depth += 1
          levels = levels << 1 | (isObject ? 1 : 0)
          cursor.position += 1
          cursor.skipSpace()
          if cursor.byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            expectsValue = false
          } else if isObject {
            try key(&cursor, &keys, isTop: depth == 1)
          }
          continue
        case UInt8(ascii: "\""): _ = try cursor.string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try cursor.number()
        default: try cursor.literal()
        }
        expectsValue = false
      }

      cursor.skipSpace()
      let isObject = levels & 1 == 1
      switch cursor.byte {
      case UInt8(ascii: ","):
        cursor.position += 1
        cursor.skipSpace()
        if isObject { try key(&cursor, &keys, isTop: depth == 1) }
        expectsValue = true
      case isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"):
        cursor.position += 1
        depth -= 1
        levels >>= 1
        if depth == 0 {
          cursor.skipSpace()
          guard cursor.isAtEnd else { throw cursor.problem(.trailing) }
          return
        }
      default: throw cursor.problem(.syntax)
      }
    }
  }

  /// A key with its colon and the space behind it.
  @inline(__always)
  private static func key(
    _ cursor: inout JSONCursor, _ keys: inout SeenKeys, isTop: Bool
  ) throws(Problem) {
    let start = cursor.position + 1
    let escaped = try cursor.string()
    if isTop, !keys.insert(start: start, count: cursor.position - 1 - start, escaped: escaped) {
      throw Problem(.duplicateKey, at: start - 1)
    }
    cursor.skipSpace()
    guard cursor.byte == UInt8(ascii: ":") else { throw cursor.problem(.syntax) }
    cursor.position += 1
    cursor.skipSpace()
  }
}

/// The keys that were seen in one object: the first sixteen side by side, all of them in a set when there are more.
///
/// The set's hashing is seeded per process, so nobody can choose keys that collide.
struct SeenKeys {
  private let base: UnsafePointer<UInt8>
  private var first = InlineArray<16, Key>(
    repeating: Key(content: UnsafeBufferPointer(start: nil, count: 0), escaped: false))
  private var count = 0
  private var all: Set<Key> = []

  init(_ base: UnsafePointer<UInt8>) { self.base = base }

  /// - Returns: false when the key has been seen before.
  mutating func insert(start: Int, count length: Int, escaped: Bool) -> Bool {
    let key = Key(content: UnsafeBufferPointer(start: base + start, count: length), escaped: escaped)
    if count < 16 {
      for index in 0..<count where first[index] == key { return false }
      first[count] = key
      count += 1
      return true
    }
    if all.isEmpty {
      for index in 0..<16 { all.insert(first[index]) }
    }
    return all.insert(key).inserted
  }
}

/// A key where it stands in the body; lives no longer than the check. Two spellings of one key are equal.
private struct Key: Hashable {
  let content: UnsafeBufferPointer<UInt8>
  let escaped: Bool

  static func == (a: Key, b: Key) -> Bool {
    if a.escaped || b.escaped { return a.decoded == b.decoded }
    return a.content.count == b.content.count && a.content.elementsEqual(b.content)
  }

  func hash(into hasher: inout Hasher) {
    if escaped {
      decoded.withUnsafeBytes { hasher.combine(bytes: $0) }
    } else {
      hasher.combine(bytes: UnsafeRawBufferPointer(content))
    }
  }

  private var decoded: [UInt8] { escaped ? unescaped(content) : Array(content) }
}
