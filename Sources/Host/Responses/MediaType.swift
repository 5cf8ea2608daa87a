import Glibc

/// Media types (RFC 9110 §8.3).
enum MediaType {
  /// Whether a `Content-Type` is `application/json` or has the suffix `+json` (RFC 6839 §3.1), with or without parameters.
  static func isJSON(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    let essence = essence(value)
    let json: StaticString = "application/json"
    if essence.count == json.utf8CodeUnitCount, hasSuffix(essence, json) { return true }
    guard hasSuffix(essence, "+json"), let slash = essence.firstIndex(of: UInt8(ascii: "/")) else { return false }
    return slash > 0 && slash + 1 < essence.count - 5
  }

  /// Whether a `Content-Type` is the given type, in lower case, with or without parameters.
  static func isType(_ value: UnsafeBufferPointer<UInt8>, _ type: StaticString) -> Bool {
    let essence = essence(value)
    return essence.count == type.utf8CodeUnitCount && hasSuffix(essence, type)
  }

  /// Whether each `charset` of a `Content-Type` is UTF-8, by its name or as `utf8`, which many programs write. True without one:
  /// JSON is in UTF-8 (RFC 8259 §8.1).
  static func isUTF8(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    var isUTF8 = true
    forEachParameter(of: value) { name, value in
      if equals(name, "charset"), !equals(value, "utf-8"), !equals(value, "utf8") { isUTF8 = false }
    }
    return isUTF8
  }

  /// Whether a parameter has the given value, in lower case.
  static func hasParameter(
    _ parameter: StaticString, _ wanted: StaticString, in value: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    var isFound = false
    forEachParameter(of: value) { name, value in
      if equals(name, parameter), equals(value, wanted) { isFound = true }
    }
    return isFound
  }

  private static func essence(_ value: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    let end = value.firstIndex { $0 == UInt8(ascii: ";") || isSpace($0) } ?? value.count
    return UnsafeBufferPointer(rebasing: value[..<end])
  }

  /// Calls `each` with name and value of every parameter (RFC 9110 §5.6.6). A quoted value has its quotation marks.
  @inline(__always)
  private static func forEachParameter(
    of value: UnsafeBufferPointer<UInt8>, _ each: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Void
  ) {
    // Nearly every type has no parameter.
    guard let base = value.baseAddress, let first = memchr(base, Int32(UInt8(ascii: ";")), value.count) else { return }
    var at = UnsafeRawPointer(first) - UnsafeRawPointer(base)
    while at < value.count {
      let start = at + 1
      var equals = -1
      var isQuoted = false
      at = start
      while at < value.count, isQuoted || value[at] != UInt8(ascii: ";") {
        if value[at] == UInt8(ascii: "\"") {
          isQuoted.toggle()
        } else if isQuoted, value[at] == UInt8(ascii: "\\") {
          at += 1
        } else if equals < 0, value[at] == UInt8(ascii: "=") {
          equals = at
        }
        at += 1
      }
      at = min(at, value.count)
      if equals >= 0 { each(trimmed(value[start..<equals]), trimmed(value[(equals + 1)..<at])) }
    }
  }

  private static func trimmed(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> UnsafeBufferPointer<UInt8> {
    guard let first = part.firstIndex(where: { !isSpace($0) }), let last = part.lastIndex(where: { !isSpace($0) })
    else { return UnsafeBufferPointer(rebasing: part[part.startIndex..<part.startIndex]) }
    return UnsafeBufferPointer(rebasing: part[first...last])
  }

  /// Whether a name or value, with or without quotation marks, is a text in lower case, without regard to case.
  private static func equals(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    let quote = UInt8(ascii: "\"")
    guard bytes.first == quote else { return bytes.count == text.utf8CodeUnitCount && hasSuffix(bytes, text) }
    guard bytes.count >= 2, bytes[bytes.count - 1] == quote else { return false }
    var at = 1
    var matched = 0
    while at < bytes.count - 1 {
      if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count - 1 { at += 1 }
      guard matched < text.utf8CodeUnitCount, lowercased(bytes[at]) == text.utf8Start[matched] else { return false }
      matched += 1
      at += 1
    }
    return matched == text.utf8CodeUnitCount
  }

  /// Compares without regard to case.
  private static func hasSuffix(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    for index in 0..<count where lowercased(bytes[bytes.count - count + index]) != text.utf8Start[index] {
      return false
    }
    return true
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
