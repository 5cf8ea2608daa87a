/// Media types (RFC 9110 §8.3).
enum MediaType {
  /// Whether a `Content-Type` is `application/json` or has the suffix `+json` (RFC 6839 §3.1), with or without parameters.
  static func isJSON(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    let end = value.firstIndex { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: " ") || $0 == 0x09 } ?? value.count
    let essence = UnsafeBufferPointer(rebasing: value[..<end])
    let json: StaticString = "application/json"
    if essence.count == json.utf8CodeUnitCount, hasSuffix(essence, json) { return true }
    guard hasSuffix(essence, "+json"), let slash = essence.firstIndex(of: UInt8(ascii: "/")) else { return false }
    return slash > 0 && slash + 1 < essence.count - 5
  }

  /// Compares without regard to case.
  private static func hasSuffix(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    for index in 0..<count {
      let byte = bytes[bytes.count - count + index]
      let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      if (isUpper ? byte | 0x20 : byte) != text.utf8Start[index] { return false }
    }
    return true
  }
}
