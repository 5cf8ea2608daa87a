/// Reads JSON text (RFC 8259) piece by piece from memory that someone else keeps alive.
///
/// Every function leaves `position` behind what it read, or throws the first thing that is wrong. Strings are scanned
/// eight bytes at a time. Nothing here allocates.
struct JSONCursor {
  let base: UnsafePointer<UInt8>
  let end: Int
  var position = 0
  /// `text` makes U+0000 of a lone surrogate instead of U+FFFD.
  var marksLoneSurrogates = false

  init(_ base: UnsafePointer<UInt8>, count: Int) {
    self.base = base
    self.end = count
  }

  /// The byte at the position; 0, which no JSON text holds, at the end.
  @inline(__always)
  var byte: UInt8 { position < end ? base[position] : 0 }

  var isAtEnd: Bool { position >= end }

  func problem(_ fault: JSONShape.Fault) -> JSONShape.Problem {
    JSONShape.Problem(position >= end && fault == .syntax ? .cut : fault, at: position)
  }

  @inline(__always)
  mutating func skipSpace() {
    while position < end {
      let byte = base[position]
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
      position += 1
    }
  }

  /// A string, from the opening quote on.
  ///
  /// - Returns: whether escapes stand in it; the content's bytes are those between the quotes.
  mutating func string() throws(JSONShape.Problem) -> Bool {
    guard byte == UInt8(ascii: "\"") else { throw problem(.syntax) }
    position += 1
    var escaped = false
    while true {
      skipPlain()
      guard position < end else { throw problem(.cut) }
      switch base[position] {
      case UInt8(ascii: "\""):
        position += 1
        return escaped
      case UInt8(ascii: "\\"):
        escaped = true
        try escape()
      case 0..<0x20: throw problem(.controlCharacter)
      case 0x80...: try scalar()
      default: position += 1
      }
    }
  }

  /// Moves to the next byte that needs a look inside a string: a quote, a backslash, a control character, not ASCII, or
  /// the end.
  @inline(__always)
  mutating func skipPlain() {
    let raw = UnsafeRawPointer(base)
    let high: UInt64 = 0x8080_8080_8080_8080
    let ones: UInt64 = 0x0101_0101_0101_0101
    while position &+ 8 <= end {
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      let quote = word ^ 0x2222_2222_2222_2222
      let backslash = word ^ 0x5c5c_5c5c_5c5c_5c5c
      // A borrow may mark bytes above the first hit too; only the first one counts.
      let control = (word &- 0x2020_2020_2020_2020) & ~word
      let hits = ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | control | word) & high
      if hits != 0 {
        position &+= hits.trailingZeroBitCount >> 3
        return
      }
      position &+= 8
    }
    while position < end {
      let byte = base[position]
      if byte == 0x22 || byte == 0x5c || byte < 0x20 || byte >= 0x80 { return }
      position &+= 1
    }
  }

  /// A string's text.
  mutating func text() throws(JSONShape.Problem) -> String {
    let start = position + 1
    let escaped = try string()
    let content = UnsafeBufferPointer(start: base + start, count: position - 1 - start)
    guard escaped else { return String(decoding: content, as: UTF8.self) }
    var bytes = unescaped(content)
    if marksLoneSurrogates { Self.markLoneSurrogates(in: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The three bytes that `unescaped` makes of a lone surrogate; nothing else begins so in UTF-8.
  private static func markLoneSurrogates(in bytes: inout [UInt8]) {
    for index in bytes.indices.dropLast(2) where bytes[index] == 0xed && bytes[index + 1] >= 0xa0 {
      for offset in 0..<3 { bytes[index + offset] = 0 }
    }
  }

  /// The comma before the next element or member (true), or the closing bracket.
  mutating func another(closing: UInt8) throws(JSONShape.Problem) -> Bool {
    skipSpace()
    let byte = byte
    guard byte == closing || byte == UInt8(ascii: ",") else { throw problem(.syntax) }
    position += 1
    if byte == closing { return false }
    skipSpace()
    return true
  }

  /// An escape, from the backslash on. A lone surrogate is allowed by the grammar (RFC 8259 §8.2).
  private mutating func escape() throws(JSONShape.Problem) {
    position += 1
    guard position < end else { throw problem(.cut) }
    switch base[position] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      position += 1
      for _ in 0..<4 {
        guard position < end else { throw problem(.cut) }
        guard hexadecimal(base[position]) != nil else { throw problem(.escape) }
        position += 1
      }
    default: throw problem(.escape)
    }
  }

  /// One character outside ASCII: the well-formed sequences of RFC 3629 §4, so no surrogates and no overlong forms.
  private mutating func scalar() throws(JSONShape.Problem) {
    let first = base[position]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    case 0xf1...0xf3: length = 4
    default: throw problem(.encoding)
    }
    guard end - position >= length, second.contains(base[position + 1]) else { throw problem(.encoding) }
    for index in 2..<max(length, 2) where base[position + index] & 0xc0 != 0x80 { throw problem(.encoding) }
    position += length
  }

  /// A number: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
  mutating func number() throws(JSONShape.Problem) {
    if byte == UInt8(ascii: "-") { position += 1 }
    if byte == UInt8(ascii: "0") {
      position += 1
    } else {
      try digits()
    }
    if byte == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if byte | 0x20 == UInt8(ascii: "e") {
      position += 1
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
  }

  private mutating func digits() throws(JSONShape.Problem) {
    guard byte &- 48 < 10 else { throw problem(.syntax) }
    while byte &- 48 < 10 { position += 1 }
  }

  /// `true`, `false` or `null`.
  mutating func literal() throws(JSONShape.Problem) {
    let word: StaticString =
      switch byte {
      case UInt8(ascii: "t"): "true"
      case UInt8(ascii: "f"): "false"
      case UInt8(ascii: "n"): "null"
      default: throw problem(.syntax)
      }
    for index in 0..<word.utf8CodeUnitCount {
      guard byte == word.utf8Start[index] else { throw problem(.syntax) }
      position += 1
    }
  }
}

/// The value of a hexadecimal digit.
func hexadecimal(_ byte: UInt8) -> UInt32? {
  switch byte {
  case 48...57: UInt32(byte - 48)
  case 65...70: UInt32(byte - 55)
  case 97...102: UInt32(byte - 87)
  default: nil
  }
}

/// Turns a string's content, which `JSONCursor.string` has accepted, into the bytes that it stands for.
///
/// A lone surrogate becomes the three bytes that UTF-8 would give it if it allowed that (as WTF-8 does): two different
/// strings stay different.
func unescaped(_ content: UnsafeBufferPointer<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(content.count)
  var index = 0

  func codeUnit(at start: Int) -> UInt32? {
    guard start + 6 <= content.count, content[start] == 0x5c, content[start + 1] == UInt8(ascii: "u") else {
      return nil
    }
    var unit: UInt32 = 0
    for offset in 2..<6 {
      guard let digit = hexadecimal(content[start + offset]) else { return nil }
      unit = unit << 4 | digit
    }
    return unit
  }

  while index < content.count {
    guard content[index] == 0x5c, index + 1 < content.count else {
      bytes.append(content[index])
      index += 1
      continue
    }
    guard var scalar = codeUnit(at: index) else {
      switch content[index + 1] {
      case UInt8(ascii: "b"): bytes.append(8)
      case UInt8(ascii: "f"): bytes.append(12)
      case UInt8(ascii: "n"): bytes.append(10)
      case UInt8(ascii: "r"): bytes.append(13)
      case UInt8(ascii: "t"): bytes.append(9)
      case let byte: bytes.append(byte)
      }
      index += 2
      continue
    }
    index += 6
    if scalar & 0xfc00 == 0xd800, let low = codeUnit(at: index), low & 0xfc00 == 0xdc00 {
      scalar = 0x10000 + (scalar & 0x3ff) << 10 + (low & 0x3ff)
      index += 6
    }
    switch scalar {
    case 0..<0x80: bytes.append(UInt8(scalar))
    case 0x80..<0x800:
      bytes.append(UInt8(0xc0 | scalar >> 6))
      bytes.append(UInt8(0x80 | scalar & 0x3f))
    case 0x800..<0x10000:
      bytes.append(UInt8(0xe0 | scalar >> 12))
      bytes.append(UInt8(0x80 | scalar >> 6 & 0x3f))
      bytes.append(UInt8(0x80 | scalar & 0x3f))
    default:
      bytes.append(UInt8(0xf0 | scalar >> 18))
      bytes.append(UInt8(0x80 | scalar >> 12 & 0x3f))
      bytes.append(UInt8(0x80 | scalar >> 6 & 0x3f))
      bytes.append(UInt8(0x80 | scalar & 0x3f))
    }
  }
  return bytes
}
