import AdapterAPI

/// A JSON string's value: the bytes between its quotes, or a decoded copy when it has escapes.
enum Text {
  /// Valid as long as the JSON text.
  case raw(UnsafeBufferPointer<UInt8>)
  case decoded([UInt8])

  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    switch self {
    case .raw(let bytes): body(bytes)
    case .decoded(let bytes): bytes.withUnsafeBufferPointer(body)
    }
  }

  /// Compares byte for byte (RFC 7515 §5.3), without folding case or Unicode forms.
  static func == (text: Text, word: StaticString) -> Bool {
    text.withBytes { bytes in
      let word = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
      return bytes.count == word.count && bytes.elementsEqual(word)
    }
  }

  static func == (text: Text, other: [UInt8]) -> Bool {
    text.withBytes { bytes in bytes.count == other.count && bytes.elementsEqual(other) }
  }

  var string: String { withBytes { String(decoding: $0, as: UTF8.self) } }
  var isEmpty: Bool { withBytes { $0.isEmpty } }
}

/// A JSON number's text.
struct NumberText {
  let text: UnsafeBufferPointer<UInt8>
  let isInteger: Bool

  /// Returns whole seconds; nil when they do not fit (`1e400`, thirty digits).
  func seconds(_ rule: FloatingPointRoundingRule) -> Int64? {
    if isInteger, text.count <= 18 {
      var value: Int64 = 0
      for byte in text where byte != UInt8(ascii: "-") { value = value * 10 + Int64(byte - UInt8(ascii: "0")) }
      return text.first == UInt8(ascii: "-") ? -value : value
    }
    guard let value = Double(String(decoding: text, as: UTF8.self)) else { return nil }
    return Int64(exactly: value.rounded(rule))
  }
}

extension ClaimsReader {
  mutating func string() throws(Failure) -> Text {
    try expect(UInt8(ascii: "\""))
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return .raw(UnsafeBufferPointer(rebasing: bytes[start..<position - 1]))
      case UInt8(ascii: "\\"): return .decoded(try escapedString(from: start))
      case 0..<0x20: throw .malformed
      default: position += 1
      }
    }
    throw .malformed
  }

  private mutating func escapedString(from start: Int) throws(Failure) -> [UInt8] {
    var decoded = Array(bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return decoded
      case UInt8(ascii: "\\"): decoded.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20: throw .malformed
      default: decoded.append(byte)
      }
    }
    throw .malformed
  }

  /// Reads an escape after its backslash.
  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard position < bytes.count else { throw .malformed }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw .malformed
    }
    var value = try fourDigits()
    if 0xD800...0xDBFF ~= value {
      try expect(UInt8(ascii: "\\"))
      try expect(UInt8(ascii: "u"))
      let low = try fourDigits()
      guard 0xDC00...0xDFFF ~= low else { throw .malformed }
      value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw .malformed }
    return scalar
  }

  private mutating func fourDigits() throws(Failure) -> UInt32 {
    guard bytes.count - position >= 4 else { throw .malformed }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = HexDigit.value(bytes[position]) else { throw .malformed }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  mutating func number() throws(Failure) -> NumberText {
    let start = position
    var isInteger = true
    if peek() == UInt8(ascii: "-") { position += 1 }
    if peek() == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if peek() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try digits()
    }
    if peek() | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    return NumberText(text: UnsafeBufferPointer(rebasing: bytes[start..<position]), isInteger: isInteger)
  }

  private mutating func digits() throws(Failure) {
    let start = position
    while UInt8(ascii: "0")...UInt8(ascii: "9") ~= peek() { position += 1 }
    guard position > start else { throw .malformed }
  }
}

/// Returns whether the bytes are valid UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
func isValidUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
  var index = 0
  let raw = UnsafeRawBufferPointer(bytes)
  while index < bytes.count {
    // Eight ASCII bytes at a time, since nearly all of a token's JSON is ASCII.
    while bytes.count - index >= 8 {
      guard raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 else { break }
      index += 8
    }
    guard index < bytes.count else { break }
    let lead = bytes[index]
    index += 1
    let following: Int
    var range: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0...0x7F: continue
    case 0xC2...0xDF: following = 1
    case 0xE0: (following, range) = (2, 0xA0...0xBF)
    case 0xED: (following, range) = (2, 0x80...0x9F)
    case 0xE1...0xEF: following = 2
    case 0xF0: (following, range) = (3, 0x90...0xBF)
    case 0xF4: (following, range) = (3, 0x80...0x8F)
    case 0xF1...0xF3: following = 3
    default: return false
    }
    guard bytes.count - index >= following else { return false }
    for _ in 0..<following {
      guard range ~= bytes[index] else { return false }
      range = 0x80...0xBF
      index += 1
    }
  }
  return true
}
