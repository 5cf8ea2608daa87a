/// HTTP header fields as they stand on the wire: `Name: value\r\n`, one after another.
///
/// Appending a block to a request is one copy, so fields that only pass through are never taken apart. Names compare without
/// regard to case (RFC 9110 §5.1).
public struct Fields: Sendable {
  /// The serialized block, without the empty line that ends a head.
  public private(set) var bytes: [UInt8] = []

  public init() {}

  /// - Parameter bytes: A block that has been checked: whole `Name: value\r\n` lines, no CR, LF or NUL inside a value.
  public init(checkedBlock bytes: [UInt8]) { self.bytes = bytes }

  public var isEmpty: Bool { bytes.isEmpty }

  /// Appends one field.
  ///
  /// - Throws: `.malformed` when the value has CR, LF or NUL (RFC 9110 §5.5) or the name is no token: a value from an upstream
  ///   must never start a line of its own.
  public mutating func append(_ name: String, _ value: String) throws(AdapterError) {
    guard !name.isEmpty, name.utf8.allSatisfy(Fields.isTokenByte),
      value.utf8.allSatisfy({ $0 != 0x0D && $0 != 0x0A && $0 != 0 })
    else { throw .malformed("a header field '\(name)' with characters that no header field may have") }
    bytes.append(text: name)
    bytes.append(": ")
    bytes.append(text: value)
    bytes.append("\r\n")
  }

  /// Appends every field of another block, in order.
  public mutating func append(_ other: Fields) { bytes.append(contentsOf: other.bytes) }

  /// The first value of that name; nil when there is none. Linear: these blocks hold a handful of fields.
  public subscript(name: String) -> String? {
    var found: String?
    forEach { candidate, value in
      if found == nil, candidate.count == name.utf8.count,
        zip(candidate, name.utf8).allSatisfy({ Fields.lowercased($0) == Fields.lowercased($1) })
      {
        found = String(decoding: value, as: UTF8.self)
      }
    }
    return found
  }

  /// Calls the closure with the name and the trimmed value of each field, in order.
  public func forEach(_ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Void) {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var start = 0
    while start < bytes.count, let end = bytes[start...].firstIndex(of: 0x0D) {
      if let colon = bytes[start..<end].firstIndex(of: UInt8(ascii: ":")) {
        var from = colon + 1
        while from < end, isSpace(bytes[from]) { from += 1 }
        var to = end
        while to > from, isSpace(bytes[to - 1]) { to -= 1 }
        body(bytes[start..<colon], bytes[from..<to])
      }
      start = end + 2
    }
  }

  /// Whether there is a `Date` field. Checked for every response, so without taking the block apart.
  public var hasDate: Bool {
    bytes.withUnsafeBufferPointer { block in
      var start = 0
      while start + 5 < block.count {
        if block[start] | 0x20 == UInt8(ascii: "d"), block[start + 4] == UInt8(ascii: ":"),
          block[start + 1] | 0x20 == UInt8(ascii: "a"), block[start + 2] | 0x20 == UInt8(ascii: "t"),
          block[start + 3] | 0x20 == UInt8(ascii: "e")
        {
          return true
        }
        while start < block.count, block[start] != 0x0A { start += 1 }
        start += 1
      }
      return false
    }
  }

  static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }

  /// Returns whether the byte is printable ASCII other than a space (VCHAR of RFC 5234), which fits any field's value.
  public static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }

  /// tchar of RFC 9110 §5.6.2.
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
