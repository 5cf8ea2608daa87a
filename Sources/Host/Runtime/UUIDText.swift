import AdapterAPI

/// Returns a new UUID of version 4 (RFC 9562 §5.4) in lower case.
func newUUID() -> String {
  let high = UInt64.random(in: 0 ... .max) & ~0xf000 | 0x4000
  let low = UInt64.random(in: 0 ... .max) & ~(0xc0 << 56) | 0x80 << 56
  return String(unsafeUninitializedCapacity: 36) { buffer in
    var count = 0
    for digit in 0..<32 {
      if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
        buffer[count] = UInt8(ascii: "-")
        count += 1
      }
      let value = UInt8(truncatingIfNeeded: (digit < 16 ? high : low) >> UInt64((15 - digit & 15) * 4)) & 15
      buffer[count] = HexDigit.lowercase(value)
      count += 1
    }
    return count
  }
}

/// Returns the UUID in `text` in lower case; nil when the text is not a UUID.
func uuid(_ text: String) -> String? {
  guard text.utf8.count == 36 else { return nil }
  for (index, byte) in text.utf8.enumerated() {
    switch index {
    case 8, 13, 18, 23: guard byte == UInt8(ascii: "-") else { return nil }
    default: guard HexDigit.value(byte) != nil else { return nil }
    }
  }
  return text.lowercased()
}
