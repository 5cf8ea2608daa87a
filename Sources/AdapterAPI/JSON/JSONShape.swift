/// Checks whether bytes are one JSON object that the gateway may pass on, without taking it apart.
///
/// Strict RFC 8259: valid UTF-8, no byte order mark, only white space around it, depth at most 64, and no key twice at the top
/// level, where two readers could pick different ones (`"c\u006fdes"` is `"codes"`). Runs in every request: one pass, and no
/// allocation unless a key has escapes or the object more than sixteen members.
public enum JSONShape {
  /// The largest depth of arrays and objects; the outermost object counts.
  public static let maximumDepth = 64

  /// A kind of problem.
  public enum Fault: UInt8, Sendable, CaseIterable {
    case empty, notAnObject, notAnArray, syntax, cut, escape, controlCharacter, encoding, depth, duplicateKey, trailing
  }

  /// The first problem of a text.
  public struct Problem: Error, Sendable, Equatable {
    public let fault: Fault
    /// In bytes from the first byte of the text.
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
      case .escape: "The body has an invalid escape in a string, at byte \(offset)."
      case .controlCharacter: "The body has an unescaped control character in a string, at byte \(offset)."
      case .encoding: "The body is not valid UTF-8 at byte \(offset)."
      case .depth: "The body's JSON is nested more than \(maximumDepth) levels deep, at byte \(offset)."
      case .duplicateKey: "The body's JSON object has the same key twice, at byte \(offset); send it once."
      case .trailing: "The body continues after its JSON, at byte \(offset); send one value only."
      }
    }
  }

  /// Returns the body's first problem; nil when it is one JSON object.
  public static func check(_ bytes: UnsafeBufferPointer<UInt8>) -> Problem? {
    do throws(Problem) {
      var cursor = try JSONCursor(bytes)
      guard cursor.byte == UInt8(ascii: "{") else { throw cursor.problem(.notAnObject) }
      if cursor.open(closing: UInt8(ascii: "}")) {
        var keys = SeenKeys(cursor.base)
        repeat {
          try cursor.uniqueKey(&keys)
          try cursor.colon()
          try cursor.skipValue(limit: maximumDepth - 1)
        } while try cursor.another(closing: UInt8(ascii: "}"))
      }
      try cursor.finish()
      return nil
    } catch {
      return error
    }
  }

  public static func check(_ bytes: [UInt8]) -> Problem? { bytes.withUnsafeBufferPointer { check($0) } }
}

/// The keys seen in one object: the first sixteen in place, all of them in a set when there are more.
///
/// The set's hashing is seeded per process, so that a caller cannot choose keys that collide.
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

/// A key in place in the body, valid during the check. Two spellings of one key are equal.
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
