/// Makes foreign bytes safe to print: JSON escapes, no control character, valid UTF-8, bounded length.
enum Escaping {
  /// Appends the inside of a JSON string (RFC 8259 §7), or of a quoted text value, which uses the same escapes.
  ///
  /// Control characters (C0, DEL, C1) and the line separators U+2028 and U+2029 are escaped even where JSON would not
  /// ask for it: a log is read on terminals and by programs that go line by line. Bytes that are no UTF-8 become
  /// U+FFFD, one for each maximal subpart as Unicode advises. What is longer than `limit` bytes is cut at a character
  /// and ends in an ellipsis.
  static func append(_ source: UnsafeBufferPointer<UInt8>, limit: Int = .max, to out: inout [UInt8]) {
    var index = 0
    while index < source.count {
      let byte = source[index]
      let length = byte < 0x80 ? 1 : sequenceLength(source, at: index)
      if index + max(length, 1) > limit {
        out.append(contentsOf: [0xE2, 0x80, 0xA6])
        return
      }
      switch length {
      case 1:
        appendASCII(byte, to: &out)
        index += 1
      case 2...4:
        appendSequence(source[index..<index + length], to: &out)
        index += length
      default:
        out.append(contentsOf: [0xEF, 0xBF, 0xBD])
        index += -length
      }
    }
  }

  static func append(_ text: String, limit: Int = .max, to out: inout [UInt8]) {
    var copy = text
    copy.withUTF8 { append($0, limit: limit, to: &out) }
  }

  /// Appends a whole JSON string with its quotation marks.
  static func appendQuoted(_ text: String, limit: Int = .max, to out: inout [UInt8]) {
    out.append(0x22)
    append(text, limit: limit, to: &out)
    out.append(0x22)
  }

  /// A whole JSON string, as text.
  static func quoted(_ text: String) -> String {
    var out: [UInt8] = []
    appendQuoted(text, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// The value needs no quotation marks in a `key=value` line.
  static func isBare(_ source: UnsafeBufferPointer<UInt8>) -> Bool {
    !source.isEmpty && source.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C && $0 != 0x3D }
  }

  private static func appendASCII(_ byte: UInt8, to out: inout [UInt8]) {
    switch byte {
    case 0x22, 0x5C: out.append(contentsOf: [0x5C, byte])
    case 0x0A: out.append(contentsOf: [0x5C, 0x6E])
    case 0x0D: out.append(contentsOf: [0x5C, 0x72])
    case 0x09: out.append(contentsOf: [0x5C, 0x74])
    case 0..<0x20, 0x7F: appendUnicodeEscape(UInt32(byte), to: &out)
    default: out.append(byte)
    }
  }

  private static func appendSequence(_ sequence: Slice<UnsafeBufferPointer<UInt8>>, to out: inout [UInt8]) {
    let start = sequence.startIndex
    if sequence[start] == 0xC2, sequence[start + 1] < 0xA0 {
      appendUnicodeEscape(UInt32(sequence[start + 1]), to: &out)
    } else if sequence[start] == 0xE2, sequence[start + 1] == 0x80, sequence[start + 2] & 0xFE == 0xA8 {
      appendUnicodeEscape(0x2000 | UInt32(sequence[start + 2] & 0x3F), to: &out)
    } else {
      out.append(contentsOf: sequence)
    }
  }

  private static func appendUnicodeEscape(_ scalar: UInt32, to out: inout [UInt8]) {
    out.append(contentsOf: [0x5C, 0x75])
    for shift in [12, 8, 4, 0] as [UInt32] {
      let digit = UInt8(truncatingIfNeeded: scalar >> shift & 0xF)
      out.append(digit < 10 ? 48 + digit : 87 + digit)
    }
  }

  /// How many bytes the well-formed sequence at `index` has (Unicode table 3-7); where it is ill-formed, minus the
  /// length of the part that one U+FFFD replaces. The first byte is at least 0x80.
  private static func sequenceLength(_ source: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    let lead = source[index]
    var second: ClosedRange<UInt8> = 0x80...0xBF
    let length: Int
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      second = 0xA0...0xBF
    case 0xED:
      length = 3
      second = 0x80...0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      second = 0x90...0xBF
    case 0xF1...0xF3: length = 4
    case 0xF4:
      length = 4
      second = 0x80...0x8F
    default: return -1
    }
    for offset in 1..<length {
      guard index + offset < source.count else { return -offset }
      let range = offset == 1 ? second : 0x80...0xBF
      guard range.contains(source[index + offset]) else { return -offset }
    }
    return length
  }
}
