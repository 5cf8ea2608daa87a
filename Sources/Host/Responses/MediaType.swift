/// Media types as far as the gateway has to know them (RFC 9110 §8.3).
enum MediaType {
  /// `application/json` or a type with the suffix `+json` (RFC 6839 §3.1), with or without parameters.
  static func isJSON(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    var end = value.count
    for (index, byte) in value.enumerated() where byte == 59 || byte == 32 || byte == 9 {
      end = index
      break
    }
    let essence = UnsafeBufferPointer(rebasing: value[..<end])
    if equals(essence, "application/json") { return true }
    guard ends(essence, with: "+json"), let slash = essence.firstIndex(of: 47) else { return false }
    return slash > 0 && slash + 1 < essence.count - 5
  }

  private static func equals(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    bytes.count == text.utf8CodeUnitCount && ends(bytes, with: text)
  }

  private static func ends(_ bytes: UnsafeBufferPointer<UInt8>, with text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    for index in 0..<count {
      let byte = bytes[bytes.count - count + index]
      let lower = byte >= 65 && byte <= 90 ? byte | 0x20 : byte
      if lower != text.utf8Start[index] { return false }
    }
    return true
  }
}
