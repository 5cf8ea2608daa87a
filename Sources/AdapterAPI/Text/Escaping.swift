/// Escapes text for JSON strings and for log lines.
///
/// Two strictnesses exist. **Printable**, the default, makes untrusted bytes safe for terminals and line-based programs: it also
/// escapes DEL, C1 controls and the line separators U+2028 and U+2029, and replaces invalid UTF-8 by U+FFFD, one for each maximal
/// subpart as Unicode advises. **Required** escapes only what RFC 8259 §7 demands, in the shortest form, so that a JSON
/// text is never longer than it was before parsing.
public enum Escaping {
  /// Appends the inside of a JSON string, or of a quoted value in a text line, in the printable form.
  ///
  /// - Parameter limit: The largest number of bytes of `source` that are written; a longer text is cut between characters and
  ///   ends in an ellipsis.
  public static func append(_ source: UnsafeBufferPointer<UInt8>, limit: Int = .max, to out: inout [UInt8]) {
    let end = min(source.count, limit)
    var index = 0
    while true {
      let start = index
      while index < end, isPlain(source[index]) { index += 1 }
      if index > start { out.append(contentsOf: UnsafeBufferPointer(rebasing: source[start..<index])) }
      guard index < source.count else { return }
      let byte = source[index]
      let length = byte < 0x80 ? 1 : sequenceLength(source, at: index)
      if index + max(length, 1) > limit {
        out.append("…")
        return
      }
      switch length {
      case 1: appendEscape(byte, to: &out)
      case 2...4: appendSequence(UnsafeBufferPointer(rebasing: source[index..<index + length]), to: &out)
      default: out.append("\u{FFFD}")
      }
      index += abs(length)
    }
  }

  /// Appends `text` as the function above does.
  public static func append(_ text: String, limit: Int = .max, to out: inout [UInt8]) {
    var copy = text
    copy.withUTF8 { append($0, limit: limit, to: &out) }
  }

  /// Appends a whole JSON string with its quotation marks, in the printable form.
  public static func appendQuoted(_ text: String, limit: Int = .max, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    append(text, limit: limit, to: &out)
    out.append(UInt8(ascii: "\""))
  }

  /// Returns a whole JSON string with its quotation marks, in the printable form.
  public static func quoted(_ text: String) -> String {
    var out: [UInt8] = []
    appendQuoted(text, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// Returns whether the value needs no quotation marks in a `key=value` line.
  public static func isBare(_ source: UnsafeBufferPointer<UInt8>) -> Bool {
    !source.isEmpty
      && source.allSatisfy { isPlain($0) && $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "=") }
  }

  /// Appends a whole JSON string with its quotation marks, in the required form.
  static func appendRequired(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      if byte < 0x80, byte != 0x7F, !isPlain(byte) {
        appendEscape(byte, to: &out)
      } else {
        out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }

  /// Printable ASCII without the quotation mark and the backslash.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  /// Escapes one ASCII byte that is not plain.
  private static func appendEscape(_ byte: UInt8, to out: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "\""): out.append("\\\"")
    case UInt8(ascii: "\\"): out.append("\\\\")
    case 0x08: out.append("\\b")
    case 0x09: out.append("\\t")
    case 0x0A: out.append("\\n")
    case 0x0C: out.append("\\f")
    case 0x0D: out.append("\\r")
    default: appendUnicodeEscape(UInt16(byte), to: &out)
    }
  }

  private static func appendSequence(_ sequence: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
    if sequence[0] == 0xC2, sequence[1] < 0xA0 {
      appendUnicodeEscape(UInt16(sequence[1]), to: &out)
    } else if sequence[0] == 0xE2, sequence[1] == 0x80, sequence[2] & 0xFE == 0xA8 {
      appendUnicodeEscape(0x2000 | UInt16(sequence[2] & 0x3F), to: &out)
    } else {
      out.append(contentsOf: sequence)
    }
  }

  private static func appendUnicodeEscape(_ unit: UInt16, to out: inout [UInt8]) {
    out.append("\\u")
    for shift in stride(from: 12, through: 0, by: -4) {
      out.append(HexDigit.lowercase(UInt8(truncatingIfNeeded: unit >> UInt16(shift)) & 15))
    }
  }

  /// Returns the length of the well-formed sequence at `index` (Unicode table 3-7); for an ill-formed one, minus the length of
  /// the part that one U+FFFD replaces. The first byte is at least 0x80.
  private static func sequenceLength(_ source: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    let second: ClosedRange<UInt8>
    let length: Int
    switch source[index] {
    case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
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
