/// Percent-encoding (RFC 3986 §2.1).
public enum PercentEncoding {
  /// Returns `text` with every byte encoded except the unreserved characters (RFC 3986 §2.3), so that it fits any part of a URL.
  public static func encode(_ text: String) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if isUnreserved(byte) {
        bytes.append(byte)
      } else {
        bytes.append(UInt8(ascii: "%"))
        bytes.append(HexDigit.uppercase(byte >> 4))
        bytes.append(HexDigit.uppercase(byte & 15))
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Returns the decoded bytes; nil when a `%` is not followed by two hexadecimal digits.
  ///
  /// - Parameter isForm: Whether `+` stands for a space, as in HTML forms.
  public static func decode(_ text: some Sequence<UInt8>, isForm: Bool = false) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text.makeIterator()
    while let byte = rest.next() {
      switch byte {
      case UInt8(ascii: "+") where isForm: bytes.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        guard let high = rest.next().flatMap(HexDigit.value), let low = rest.next().flatMap(HexDigit.value) else {
          return nil
        }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    return bytes
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }
}
