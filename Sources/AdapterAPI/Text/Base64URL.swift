/// Base64url (RFC 4648 §5) without padding. Decoded strictly: each value has exactly one text.
public enum Base64URL {
  /// Decodes `text` into `output`, which must have room for `text.count / 4 * 3 + 2` bytes.
  ///
  /// - Returns: the number of bytes written; nil for a character outside the alphabet, an impossible length, or spare bits that
  ///   are not zero. The last rule prevents a second text for the same token.
  public static func decode(_ text: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>) -> Int? {
    let groups = text.count / 4
    let rest = text.count % 4
    guard rest != 1 else { return nil }
    return values.withUnsafeBufferPointer { values in
      var written = 0
      // A character outside the alphabet has the top bit of its value set; one test at the end finds it.
      var seen: UInt8 = 0
      for group in 0..<groups {
        let a = values[Int(text[group * 4])]
        let b = values[Int(text[group * 4 + 1])]
        let c = values[Int(text[group * 4 + 2])]
        let d = values[Int(text[group * 4 + 3])]
        seen |= a | b | c | d
        output[written] = a << 2 | b >> 4
        output[written + 1] = b << 4 | c >> 2
        output[written + 2] = c << 6 | d
        written += 3
      }
      if rest >= 2 {
        let a = values[Int(text[groups * 4])]
        let b = values[Int(text[groups * 4 + 1])]
        seen |= a | b
        output[written] = a << 2 | b >> 4
        written += 1
        if rest == 2 {
          guard b & 0x0F == 0 else { return nil }
        } else {
          let c = values[Int(text[groups * 4 + 2])]
          seen |= c
          guard c & 0x03 == 0 else { return nil }
          output[written] = b << 4 | c >> 2
          written += 1
        }
      }
      return seen & 0x80 == 0 ? written : nil
    }
  }

  /// Returns the decoded bytes; nil where the function above returns nil.
  public static func decode(_ text: String) -> [UInt8]? {
    let bytes = Array(text.utf8)
    var valid = true
    let decoded = [UInt8](unsafeUninitializedCapacity: bytes.count / 4 * 3 + 2) { output, count in
      let length = output.baseAddress.flatMap { base in bytes.withUnsafeBufferPointer { decode($0, into: base) } }
      valid = length != nil
      count = length ?? 0
    }
    return valid ? decoded : nil
  }

  /// Returns the text of `bytes`.
  public static func encode(_ bytes: some Collection<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count / 3 * 4 + 4)
    var pending: UInt32 = 0
    var bits = 0
    for byte in bytes {
      pending = pending << 8 | UInt32(byte)
      bits += 8
      while bits >= 6 {
        bits -= 6
        text.append(alphabet[Int(pending >> UInt32(bits) & 63)])
      }
    }
    if bits > 0 { text.append(alphabet[Int(pending << UInt32(6 - bits) & 63)]) }
    return String(decoding: text, as: UTF8.self)
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()
}
