/// Reads JSON text (RFC 8259) piece by piece from memory that outlives it.
///
/// Every function leaves `position` behind what it read, or throws the first problem. Strings are scanned eight bytes at a time.
/// The project's only JSON scanner for whole texts: `JSONShape`, `JSONPieces` and `JSONValue` are built on it. Allocates only in
/// `text`, and where unique keys are checked.
struct JSONCursor {
  let base: UnsafePointer<UInt8>
  let end: Int
  var position = 0
  /// Whether `text` turns a lone surrogate into U+0000 instead of U+FFFD.
  var marksLoneSurrogates = false

  init(_ base: UnsafePointer<UInt8>, count: Int) {
    self.base = base
    self.end = count
  }

  /// Stands at the first byte that is not white space.
  ///
  /// - Parameter allowsMark: Whether a byte order mark may precede the text.
  init(_ bytes: UnsafeBufferPointer<UInt8>, allowsMark: Bool = false) throws(JSONShape.Problem) {
    guard let base = bytes.baseAddress else { throw JSONShape.Problem(.empty, at: 0) }
    self.init(base, count: bytes.count)
    if allowsMark { skipMark() }
    skipSpace()
    guard !isAtEnd else { throw JSONShape.Problem(.empty, at: 0) }
  }

  /// The byte at the position; 0, which no JSON text holds, at the end.
  @inline(__always)
  var byte: UInt8 { position < end ? base[position] : 0 }

  var isAtEnd: Bool { position >= end }

  func problem(_ fault: JSONShape.Fault) -> JSONShape.Problem {
    JSONShape.Problem(position >= end && fault == .syntax ? .cut : fault, at: position)
  }

  /// Moves behind the byte order mark at the start of a text. RFC 8259 §8.1 lets a reader ignore one.
  mutating func skipMark() {
    if end >= 3, base[0] == 0xEF, base[1] == 0xBB, base[2] == 0xBF { position = 3 }
  }

  @inline(__always)
  mutating func skipSpace() {
    while position < end {
      let byte = base[position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  /// Checks that only white space follows.
  mutating func finish() throws(JSONShape.Problem) {
    skipSpace()
    guard isAtEnd else { throw problem(.trailing) }
  }

  /// Reads an opening bracket and the space behind it.
  ///
  /// - Returns: false when the closing bracket followed and was read too.
  @inline(__always)
  mutating func open(closing: UInt8) -> Bool {
    position += 1
    skipSpace()
    guard byte == closing else { return true }
    position += 1
    return false
  }

  /// Reads the comma before the next element or member, or the closing bracket.
  ///
  /// - Returns: whether another element or member follows.
  mutating func another(closing: UInt8) throws(JSONShape.Problem) -> Bool {
    skipSpace()
    let byte = byte
    guard byte == closing || byte == UInt8(ascii: ",") else { throw problem(.syntax) }
    position += 1
    if byte == closing { return false }
    skipSpace()
    return true
  }

  /// Reads the colon behind a key, and the space around it.
  @inline(__always)
  mutating func colon() throws(JSONShape.Problem) {
    skipSpace()
    guard byte == UInt8(ascii: ":") else { throw problem(.syntax) }
    position += 1
    skipSpace()
  }

  // MARK: strings

  /// Reads a string from its opening quotation mark.
  ///
  /// - Returns: whether it has escapes. Its content is the bytes between the quotation marks.
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

  /// Moves to the next byte that matters inside a string: a quotation mark, a backslash, a control character, a byte outside
  /// ASCII, or the end.
  @inline(__always)
  mutating func skipPlain() {
    let raw = UnsafeRawPointer(base)
    let high: UInt64 = 0x8080_8080_8080_8080
    let ones: UInt64 = 0x0101_0101_0101_0101
    while position &+ 8 <= end {
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      let quote = word ^ 0x2222_2222_2222_2222
      let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
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
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 || byte >= 0x80 { return }
      position &+= 1
    }
  }

  /// Reads a string and returns its text.
  mutating func text() throws(JSONShape.Problem) -> String {
    let start = position + 1
    let escaped = try string()
    let content = UnsafeBufferPointer(start: base + start, count: position - 1 - start)
    guard escaped else { return String(decoding: content, as: UTF8.self) }
    var bytes = unescaped(content)
    if marksLoneSurrogates { Self.markLoneSurrogates(in: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Replaces the three bytes that `unescaped` writes for a lone surrogate; no well-formed UTF-8 begins like them.
  private static func markLoneSurrogates(in bytes: inout [UInt8]) {
    for index in bytes.indices.dropLast(2) where bytes[index] == 0xED && bytes[index + 1] >= 0xA0 {
      for offset in 0..<3 { bytes[index + offset] = 0 }
    }
  }

  /// Reads an escape from its backslash. The grammar allows a lone surrogate (RFC 8259 §8.2).
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
        guard HexDigit.value(base[position]) != nil else { throw problem(.escape) }
        position += 1
      }
    default: throw problem(.escape)
    }
  }

  /// Reads one character outside ASCII: the well-formed sequences of RFC 3629 §4, so no surrogates and no overlong forms.
  private mutating func scalar() throws(JSONShape.Problem) {
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch base[position] {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    case 0xF1...0xF3: length = 4
    default: throw problem(.encoding)
    }
    guard end - position >= length, second.contains(base[position + 1]) else { throw problem(.encoding) }
    for index in 2..<max(length, 2) where base[position + index] & 0xC0 != 0x80 { throw problem(.encoding) }
    position += length
  }

  // MARK: other scalars

  /// Reads a number: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
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
    guard byte &- UInt8(ascii: "0") < 10 else { throw problem(.syntax) }
    while byte &- UInt8(ascii: "0") < 10 { position += 1 }
  }

  /// Reads `true`, `false` or `null`.
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

  // MARK: whole values

  /// Checks a whole value and moves behind it. Iterative, so that its depth costs no stack.
  ///
  /// - Parameter limit: The largest depth, at most 64; the value's own array or object counts.
  mutating func skipValue(limit: Int) throws(JSONShape.Problem) {
    // One bit for each level, the innermost lowest: 1 for an object, 0 for an array.
    var levels: UInt64 = 0
    var depth = 0
    while true {
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard depth < limit else { throw problem(.depth) }
        let isObject = byte == UInt8(ascii: "{")
        if open(closing: isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          depth += 1
          levels = levels << 1 | (isObject ? 1 : 0)
          if isObject { try skipKey() }
          continue
        }
      case UInt8(ascii: "\""): _ = try string()
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
      default: try literal()
      }
      // A value has ended; now comes the next one, or the end of those around it.
      while depth > 0 {
        let isObject = levels & 1 == 1
        if try another(closing: isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          if isObject { try skipKey() }
          break
        }
        depth -= 1
        levels >>= 1
      }
      if depth == 0 { return }
    }
  }

  @inline(__always)
  private mutating func skipKey() throws(JSONShape.Problem) {
    _ = try string()
    try colon()
  }

  /// Checks a whole value and moves behind it; no object in it may have a key twice. Remembers the keys of each object, which costs
  /// several times the text's size.
  ///
  /// - Parameter limit: The largest depth, at most 64.
  mutating func skipValueWithUniqueKeys(limit: Int) throws(JSONShape.Problem) {
    let isObject = byte == UInt8(ascii: "{")
    guard isObject || byte == UInt8(ascii: "[") else { return try skipValue(limit: limit) }
    guard limit > 0 else { throw problem(.depth) }
    let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    guard open(closing: closing) else { return }
    var keys = SeenKeys(base)
    repeat {
      if isObject {
        try uniqueKey(&keys)
        try colon()
      }
      try skipValueWithUniqueKeys(limit: limit - 1)
    } while try another(closing: closing)
  }

  /// Reads a key, which `keys` must not hold yet.
  @inline(__always)
  mutating func uniqueKey(_ keys: inout SeenKeys) throws(JSONShape.Problem) {
    let start = position + 1
    let escaped = try string()
    guard keys.insert(start: start, count: position - 1 - start, escaped: escaped) else {
      throw JSONShape.Problem(.duplicateKey, at: start - 1)
    }
  }
}

/// Returns the bytes that a string's content stands for; `JSONCursor.string` has accepted the content.
///
/// A lone surrogate becomes the three bytes that UTF-8 would give it if it allowed that (as WTF-8 does), so that two different
/// strings stay different.
func unescaped(_ content: UnsafeBufferPointer<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(content.count)
  var index = 0

  func codeUnit(at start: Int) -> UInt32? {
    guard start + 6 <= content.count, content[start] == UInt8(ascii: "\\"), content[start + 1] == UInt8(ascii: "u")
    else { return nil }
    var unit: UInt32 = 0
    for offset in 2..<6 {
      guard let digit = HexDigit.value(content[start + offset]) else { return nil }
      unit = unit << 4 | UInt32(digit)
    }
    return unit
  }

  while index < content.count {
    guard content[index] == UInt8(ascii: "\\"), index + 1 < content.count else {
      bytes.append(content[index])
      index += 1
      continue
    }
    guard var scalar = codeUnit(at: index) else {
      switch content[index + 1] {
      case UInt8(ascii: "b"): bytes.append(0x08)
      case UInt8(ascii: "f"): bytes.append(0x0C)
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case let byte: bytes.append(byte)
      }
      index += 2
      continue
    }
    index += 6
    if scalar & 0xFC00 == 0xD800, let low = codeUnit(at: index), low & 0xFC00 == 0xDC00 {
      scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
      index += 6
    }
    switch scalar {
    case 0..<0x80: bytes.append(UInt8(scalar))
    case 0x80..<0x800:
      bytes.append(UInt8(0xC0 | scalar >> 6))
      bytes.append(UInt8(0x80 | scalar & 0x3F))
    case 0x800..<0x10000:
      bytes.append(UInt8(0xE0 | scalar >> 12))
      bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      bytes.append(UInt8(0x80 | scalar & 0x3F))
    default:
      bytes.append(UInt8(0xF0 | scalar >> 18))
      bytes.append(UInt8(0x80 | scalar >> 12 & 0x3F))
      bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      bytes.append(UInt8(0x80 | scalar & 0x3F))
    }
  }
  return bytes
}
