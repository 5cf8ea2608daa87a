/// A strict reader of one JSON object (RFC 8259): valid UTF-8, no lone surrogates, no duplicate name at the top level (compared
/// with escapes decoded), nesting at most 16, nothing after the object.
///
/// It is the second JSON scanner beside `JSONCursor`, because it refuses more (lone surrogates, which could make two issuers or
/// roles equal) and returns values as bytes of the text. `JSONCursor` is internal to AdapterAPI: making it public would add a
/// scanner to the vendors' API, and its calls across modules would slow down the verification of each new token.
///
/// The caller must consume each member's value before it reads the next name.
struct ClaimsReader {
  enum Failure: Error, Equatable { case malformed, notUTF8, duplicateName, tooDeep }
  enum Kind { case string, number, object, array, bool, null }

  static let maxDepth = 16

  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0
  private var names = NameSet()
  private var isFirst = true

  /// The bytes must outlive the reader and every `Text` it returns.
  init(objectIn bytes: UnsafeBufferPointer<UInt8>) throws(Failure) {
    self.bytes = bytes
    guard isValidUTF8(bytes) else { throw .notUTF8 }
    skipSpace()
    try expect(UInt8(ascii: "{"))
  }

  /// Returns the name of the next top-level member; nil at the end of the object, after which only white space may follow.
  mutating func nextName() throws(Failure) -> Text? {
    var first = isFirst
    isFirst = false
    guard let name = try nextName(first: &first) else {
      skipSpace()
      guard position == bytes.count else { throw .malformed }
      return nil
    }
    guard names.insert(name) else { throw .duplicateName }
    return name
  }

  /// Returns the kind of the next value, by its first byte.
  func kind() throws(Failure) -> Kind {
    switch peek() {
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    default: throw .malformed
    }
  }

  /// Checks and skips one value.
  ///
  /// - Parameter nested: the number of arrays that the caller is in.
  mutating func skip(nested: Int = 0) throws(Failure) { try skip(depth: 2 + nested) }

  /// Checks and skips one value, and returns its text.
  mutating func slice() throws(Failure) -> UnsafeBufferPointer<UInt8> {
    let start = position
    try skip()
    return UnsafeBufferPointer(rebasing: bytes[start..<position])
  }

  mutating func beginArray() throws(Failure) { try expect(UInt8(ascii: "[")) }

  /// Returns whether another element of the array follows.
  ///
  /// - Parameter first: the caller's variable for this array, initially true.
  mutating func nextElement(first: inout Bool) throws(Failure) -> Bool {
    skipSpace()
    if peek() == UInt8(ascii: "]") {
      position += 1
      return false
    }
    if !first {
      try expect(UInt8(ascii: ","))
      skipSpace()
    }
    first = false
    return true
  }

  private mutating func nextName(first: inout Bool) throws(Failure) -> Text? {
    skipSpace()
    if peek() == UInt8(ascii: "}") {
      position += 1
      return nil
    }
    if !first {
      try expect(UInt8(ascii: ","))
      skipSpace()
    }
    first = false
    let name = try string()
    skipSpace()
    try expect(UInt8(ascii: ":"))
    skipSpace()
    return name
  }

  private mutating func skip(depth: Int) throws(Failure) {
    switch try kind() {
    case .string: _ = try string()
    case .number: _ = try number()
    case .bool: try literal(peek() == UInt8(ascii: "t") ? "true" : "false")
    case .null: try literal("null")
    case .array:
      guard depth <= Self.maxDepth else { throw .tooDeep }
      position += 1
      var first = true
      while try nextElement(first: &first) { try skip(depth: depth + 1) }
    case .object:
      guard depth <= Self.maxDepth else { throw .tooDeep }
      position += 1
      var first = true
      while try nextName(first: &first) != nil { try skip(depth: depth + 1) }
    }
  }

  private mutating func literal(_ word: StaticString) throws(Failure) {
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count else { throw .malformed }
    for index in 0..<word.utf8CodeUnitCount where bytes[position + index] != word.utf8Start[index] { throw .malformed }
    position = end
  }

  // MARK: Bytes

  /// The next byte; 0, which no JSON text contains, at the end.
  func peek() -> UInt8 { position < bytes.count ? bytes[position] : 0 }

  mutating func expect(_ byte: UInt8) throws(Failure) {
    guard position < bytes.count, bytes[position] == byte else { throw .malformed }
    position += 1
  }

  mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: " "), 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }
}

/// The hashes of an object's names (FNV-1a, 64 bits).
///
/// Equal names have equal hashes, so no duplicate is missed. Two different names with one hash lead to the refusal of the token
/// that contains them, and of no other.
private struct NameSet {
  private var few = InlineArray<16, UInt64>(repeating: 0)
  private var count = 0
  private var many: Set<UInt64> = []

  /// - Returns: false when the name is a duplicate.
  mutating func insert(_ name: Text) -> Bool {
    let hash = name.withBytes { bytes in
      bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
    for index in 0..<count where few[index] == hash { return false }
    guard count == few.count else {
      few[count] = hash
      count += 1
      return true
    }
    return many.insert(hash).inserted
  }
}
