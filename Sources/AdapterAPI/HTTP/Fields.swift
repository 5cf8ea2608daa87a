/// HTTP header fields, kept as they stand on the wire: `Name: value\r\n` after one another.
///
/// Appending a block to a request is one copy, so fields that only pass through are never taken apart. Names compare without
/// regard to case (RFC 9110 §5.1). Value semantics; safe to share between threads.
public struct Fields: Sendable {
  /// The serialized block, without the empty line that ends a head.
  public private(set) var bytes: [UInt8] = []

  public init() {}

  /// Takes a block that has been checked already: whole `Name: value\r\n` lines, no CR, LF or NUL inside a value.
  public init(checkedBlock bytes: [UInt8]) { self.bytes = bytes }

  public var isEmpty: Bool { bytes.isEmpty }

  public mutating func reserveCapacity(_ capacity: Int) { bytes.reserveCapacity(capacity) }

  /// Adds one field.
  ///
  /// - Throws: `AdapterError.malformed` when the value holds CR, LF or NUL (RFC 9110 §5.5) or the name is no token: a value
  ///   that came from an upstream must never start a line of its own.
  public mutating func append(_ name: String, _ value: String) throws(AdapterError) {
    guard !name.isEmpty, name.utf8.allSatisfy(Fields.isTokenByte),
      value.utf8.allSatisfy({ $0 != 13 && $0 != 10 && $0 != 0 })
    else { throw .malformed("a header field '\(name)' with characters that no header may have") }
    bytes.append(text: name)
    bytes.append(58)
    bytes.append(32)
    bytes.append(text: value)
    bytes.append(13)
    bytes.append(10)
  }

  /// Adds every field of another block, in order.
  public mutating func append(_ other: Fields) { bytes.append(contentsOf: other.bytes) }

  /// The first value of that name, or nil. Linear: these blocks hold a handful of fields.
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

  /// Calls the closure with name and value (white space trimmed) of each field, in order.
  public func forEach(_ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Void) {
    var start = 0
    while start < bytes.count, let end = bytes[start...].firstIndex(of: 13) {
      if let colon = bytes[start..<end].firstIndex(of: 58) {
        var from = colon + 1
        while from < end, bytes[from] == 32 || bytes[from] == 9 { from += 1 }
        var to = end
        while to > from, bytes[to - 1] == 32 || bytes[to - 1] == 9 { to -= 1 }
        body(bytes[start..<colon], bytes[from..<to])
      }
      start = end + 2
    }
  }

  /// There is a `Date` field. Looked for on every answer, so without taking the block apart.
  public var hasDate: Bool {
    bytes.withUnsafeBufferPointer { block in
      var start = 0
      while start + 5 < block.count {
        if block[start] | 0x20 == 100, block[start + 4] == 58, block[start + 1] | 0x20 == 97,
          block[start + 2] | 0x20 == 116,
          block[start + 3] | 0x20 == 101
        {
          return true
        }
        while start < block.count, block[start] != 10 { start += 1 }
        start += 1
      }
      return false
    }
  }

  static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte | 0x20 : byte }

  /// tchar of RFC 9110 §5.6.2.
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    case 33, 35, 36, 37, 38, 39, 42, 43, 45, 46, 94, 95, 96, 124, 126: true
    default: false
    }
  }
}
