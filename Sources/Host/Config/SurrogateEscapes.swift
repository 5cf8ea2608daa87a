import AdapterAPI

/// Lets libyaml read JSON's escapes of characters beyond U+FFFF, such as `\ud83d\ude00`, which it refuses.
///
/// Each pair of escapes gets the digit `e` in place of its `d`, so that it names two characters of the private use area, at the same
/// columns. `restored` turns them back: in double quotes into the character, elsewhere into the text as it was. A text that has such
/// characters of its own is left alone.
enum SurrogateEscapes {
  /// Returns the text for libyaml; nil when nothing has to be replaced.
  static func hidden(_ bytes: [UInt8]) -> [UInt8]? {
    var result = bytes
    var isChanged = false
    var at = 0
    while at < bytes.count {
      if escape(bytes, at) == .high, escape(bytes, at + 6) == .low {
        result[at + 2] += 1
        result[at + 8] += 1
        isChanged = true
        at += 12
      } else {
        // The character after a backslash begins no escape.
        at += bytes[at] == backslash ? 2 : 1
      }
    }
    let isPrivate = { at in
      bytes[at] == 0xEE && at + 1 < bytes.count && (0xA0...0xBF).contains(bytes[at + 1])
        || escape(bytes, at) == .privateUse
    }
    return isChanged && !bytes.indices.contains(where: isPrivate) ? result : nil
  }

  /// Returns the text of a scalar; nil when it has one half of a pair alone.
  static func restored(_ text: String, isDoubleQuoted: Bool) -> String? {
    isDoubleQuoted ? joined(text) : shown(text)
  }

  private enum Half { case high, low, privateUse }

  private static let backslash = UInt8(ascii: "\\")

  /// Returns the kind of the escape `\uXXXX` at the place; nil for any other text.
  private static func escape(_ bytes: [UInt8], _ at: Int) -> Half? {
    guard at + 5 < bytes.count, bytes[at] == backslash, bytes[at + 1] == UInt8(ascii: "u"),
      let second = HexDigit.value(bytes[at + 3]), HexDigit.value(bytes[at + 4]) != nil,
      HexDigit.value(bytes[at + 5]) != nil, second >= 8
    else { return nil }
    switch bytes[at + 2] | 0x20 {
    case UInt8(ascii: "d"): return second < 0xC ? .high : .low
    case UInt8(ascii: "e"): return .privateUse
    default: return nil
    }
  }

  private static func joined(_ text: String) -> String? {
    var result = String.UnicodeScalarView()
    var high: UInt32?
    for scalar in text.unicodeScalars {
      switch (scalar.value, high) {
      case (0xE800..<0xEC00, nil): high = scalar.value - 0xE800
      case (0xEC00..<0xF000, let first?):
        guard let whole = Unicode.Scalar(0x10000 + (first << 10) + (scalar.value - 0xEC00)) else { return nil }
        result.append(whole)
        high = nil
      case (0xE800..<0xF000, _): return nil
      case (_, nil): result.append(scalar)
      default: return nil
      }
    }
    return high == nil ? String(result) : nil
  }

  private static func shown(_ text: String) -> String {
    var bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      if escape(bytes, at) == .privateUse {
        bytes[at + 2] -= 1
        at += 6
      } else {
        at += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
