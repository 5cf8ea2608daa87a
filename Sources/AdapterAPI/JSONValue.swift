/// JSON taken apart, for adapters that must understand what they carry.
///
/// Numbers keep their text, members keep their order. The host has refused a key that stands twice at the top already;
/// deeper down, the first one counts.
public indirect enum JSONValue: Sendable, Hashable {
  case null
  case flag(Bool)
  /// As it was written; always a number by the grammar of RFC 8259 §6.
  case number(String)
  /// A lone surrogate, which no text can hold, has become U+FFFD.
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

  /// Parses one JSON text: any value, valid UTF-8, depth at most 64, white space around.
  public init(parsing bytes: [UInt8]) throws(JSONShape.Problem) {
    // Typed errors do not pass through `withUnsafeBufferPointer` in every toolchain; a result does.
    let result = bytes.withUnsafeBufferPointer { buffer -> Result<JSONValue, JSONShape.Problem> in
      guard let base = buffer.baseAddress, !buffer.isEmpty else { return .failure(JSONShape.Problem(.empty, at: 0)) }
      var cursor = JSONCursor(base, count: buffer.count)
      do throws(JSONShape.Problem) {
        cursor.skipSpace()
        guard !cursor.isAtEnd else { throw JSONShape.Problem(.empty, at: 0) }
        let value = try Self.value(&cursor, depth: 0)
        cursor.skipSpace()
        guard cursor.isAtEnd else { throw cursor.problem(.trailing) }
        return .success(value)
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }

  /// The text, without spaces.
  public var serialized: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// The first member of that name; nil for what is no object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var flag: Bool? { if case .flag(let value) = self { value } else { nil } }
  /// A number as a double; infinite where no double is large enough.
  public var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }

  private static func value(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    switch cursor.byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < JSONShape.maximumDepth else { throw cursor.problem(.depth) }
      return cursor.byte == UInt8(ascii: "{")
        ? try object(&cursor, depth: depth + 1) : try array(&cursor, depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try text(&cursor))
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

  private static func text(_ cursor: inout JSONCursor) throws(JSONShape.Problem) -> String {
    let start = cursor.position + 1
    let escaped = try cursor.string()
    let content = UnsafeBufferPointer(start: cursor.base + start, count: cursor.position - 1 - start)
    return escaped ? String(decoding: unescaped(content), as: UTF8.self) : String(decoding: content, as: UTF8.self)
  }

  private static func object(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    var members: [Member] = []
    cursor.position += 1
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "}") {
      cursor.position += 1
      return .object([])
    }
    while true {
      let key = try text(&cursor)
      cursor.skipSpace()
      guard cursor.byte == UInt8(ascii: ":") else { throw cursor.problem(.syntax) }
      cursor.position += 1
      cursor.skipSpace()
      members.append(Member(key, try value(&cursor, depth: depth)))
      guard try another(&cursor, closing: UInt8(ascii: "}")) else { return .object(members) }
    }
  }

  private static func array(_ cursor: inout JSONCursor, depth: Int) throws(JSONShape.Problem) -> JSONValue {
    var elements: [JSONValue] = []
    cursor.position += 1
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "]") {
      cursor.position += 1
      return .array([])
    }
    while true {
      elements.append(try value(&cursor, depth: depth))
      guard try another(&cursor, closing: UInt8(ascii: "]")) else { return .array(elements) }
    }
  }

  /// The comma before the next element (true), or the closing bracket.
  private static func another(_ cursor: inout JSONCursor, closing: UInt8) throws(JSONShape.Problem) -> Bool {
    cursor.skipSpace()
    let byte = cursor.byte
    guard byte == closing || byte == UInt8(ascii: ",") else { throw cursor.problem(.syntax) }
    cursor.position += 1
    if byte == closing { return false }
    cursor.skipSpace()
    return true
  }
}
