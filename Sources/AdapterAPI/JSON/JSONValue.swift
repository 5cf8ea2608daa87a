/// A parsed JSON value, for adapters that must understand what they carry.
///
/// Numbers keep their text, members keep their order. The host has refused a duplicate key at the top level; below it, the first
/// one counts.
public indirect enum JSONValue: Sendable, Hashable {
  case null
  case flag(Bool)
  /// A number as it was written, valid by the grammar of RFC 8259 §6.
  case number(String)
  /// A text. A lone surrogate, which no Swift string can hold, has become U+FFFD.
  case string(String)
  case array([JSONValue])
  case object([Member])

  public struct Member: Sendable, Hashable {
    public let key: String
    public let value: JSONValue

    public init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// Parses one JSON text: any value, valid UTF-8, depth at most 64, white space around it.
  public init(parsing bytes: [UInt8]) throws(JSONShape.Problem) {
    // Typed errors do not pass through `withUnsafeBufferPointer` in every toolchain; a result does.
    self = try bytes.withUnsafeBufferPointer { Self.parse($0) }.get()
  }

  /// Parses the body of an upstream's response: one JSON text as above, with or without a byte order mark before it.
  public init(parsingResponse bytes: [UInt8]) throws(JSONShape.Problem) {
    self = try bytes.withUnsafeBufferPointer { Self.parse($0, allowsMark: true) }.get()
  }

  /// Parses one JSON text that will be stored: a lone surrogate becomes U+0000 instead of U+FFFD.
  ///
  /// No database accepts U+0000, so `holdsNUL` finds both before the text is changed silently.
  public init(storing bytes: UnsafeBufferPointer<UInt8>) throws(JSONShape.Problem) {
    self = try Self.parse(bytes, marksLoneSurrogates: true).get()
  }

  private static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, marksLoneSurrogates: Bool = false, allowsMark: Bool = false
  ) -> Result<JSONValue, JSONShape.Problem> {
    do throws(JSONShape.Problem) {
      var cursor = try JSONCursor(bytes, allowsMark: allowsMark)
      cursor.marksLoneSurrogates = marksLoneSurrogates
      let value = try Self.value(&cursor, depth: 0)
      try cursor.finish()
      return .success(value)
    } catch {
      return .failure(error)
    }
  }

  /// The value as text, without spaces; never longer than the text that was parsed.
  public var serialized: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// The first member of that name; nil when there is none, or the value is not an object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var flag: Bool? { if case .flag(let value) = self { value } else { nil } }
  /// A number as a double; infinite when no double is large enough.
  public var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }

  /// Whether a text or a key in it, at any depth, has U+0000.
  public var holdsNUL: Bool {
    switch self {
    case .null, .flag, .number: false
    case .string(let text): text.utf8.contains(0)
    case .array(let elements): elements.contains { $0.holdsNUL }
    case .object(let members): members.contains { $0.key.utf8.contains(0) || $0.value.holdsNUL }
    }
  }

  private static func value(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    switch cursor.byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < JSONShape.maximumDepth else { throw cursor.problem(.depth) }
      return cursor.byte == UInt8(ascii: "{")
        ? try object(&cursor, depth: depth + 1) : try array(&cursor, depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try cursor.text())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let start = cursor.position
      try cursor.number()
      let text = UnsafeBufferPointer(start: cursor.base + start, count: cursor.position - start)
      return .number(String(decoding: text, as: UTF8.self))
    default:
      let first = cursor.byte
      try cursor.literal()
      return first == UInt8(ascii: "n") ? .null : .flag(first == UInt8(ascii: "t"))
    }
  }

  private static func object(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    var members: [Member] = []
    guard cursor.open(closing: UInt8(ascii: "}")) else { return .object([]) }
    repeat {
      let key = try cursor.text()
      try cursor.colon()
      members.append(Member(key, try value(&cursor, depth: depth)))
    } while try cursor.another(closing: UInt8(ascii: "}"))
    return .object(members)
  }

  private static func array(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    var elements: [JSONValue] = []
    guard cursor.open(closing: UInt8(ascii: "]")) else { return .array([]) }
    repeat {
      elements.append(try value(&cursor, depth: depth))
    } while try cursor.another(closing: UInt8(ascii: "]"))
    return .array(elements)
  }
}
