/// The rules for the host of an address: a name, an IPv4 address in its usual form, or an IPv6 address.
///
/// Resolvers read other forms of an IPv4 address too (inet_aton(3)): `010.0.0.1` is 8.0.0.1 for them, and `127.1` is 127.0.0.1.
/// Such a host could send a credential to another machine than the intended one, so it is refused (RFC 3986 §7.4).
public enum HostName {
  /// Returns the rule that a name or an IPv4 address breaks, as the rest of a sentence about its setting; nil when it is valid.
  ///
  /// One dot at the end is allowed: it makes a name absolute.
  public static func mistake(in host: some Collection<UInt8>) -> String? {
    if host.contains(where: { $0 >= 0x80 }) {
      return
        "has a host name with letters beyond ASCII; write its ASCII form, in which each such label begins with xn-- "
        + "(punycode)"
    }
    if host.contains(UInt8(ascii: "%")) {
      return "has a '%' in its host; write the host without percent-encoding"
    }
    var labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    if labels.count > 1, labels.last?.isEmpty == true { labels.removeLast() }
    if let last = labels.last, isNumber(last) { return isIPv4Address(host) ? nil : notDottedQuad }
    guard labels.reduce(labels.count - 1, { $0 + $1.count }) <= 253 else {
      return "has a host name that is longer than 253 characters"
    }
    guard labels.allSatisfy({ (1...63).contains($0.count) }) else {
      return "must have a host name whose parts between dots have 1 to 63 characters"
    }
    guard labels.allSatisfy({ $0.allSatisfy(isNameByte) }) else {
      return "must have a host name of letters, digits, '-', '_' and dots"
    }
    return nil
  }

  private static let notDottedQuad =
    "has a host that ends in a number and is not a plain IPv4 address: four decimal numbers from 0 to 255 without leading "
    + "zeros, like 192.168.1.10; other forms are read as another address"

  /// Whether the text is four decimal numbers from 0 to 255, without leading zeros.
  static func isIPv4Address(_ host: some Collection<UInt8>) -> Bool {
    let parts = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        (1...3).contains(part.count) && part.allSatisfy(isDigit) && (part.count == 1 || part.first != UInt8(ascii: "0"))
          && UInt8(String(decoding: part, as: UTF8.self)) != nil
      }
  }

  /// Whether the text is an IPv6 address: groups of up to four hexadecimal digits, one `::` at most (RFC 4291 §2.2), without a zone.
  static func isIPv6Address(_ host: some Collection<UInt8>) -> Bool {
    let groups = Array(host.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false))
    guard (3...9).contains(groups.count) else { return false }
    // `::` at either end gives one more empty group than in the middle.
    let empty = groups.indices.filter { groups[$0].isEmpty }
    let isElided = !empty.isEmpty
    if isElided {
      let inner = empty.filter { $0 != 0 && $0 != groups.count - 1 }
      guard inner.count == 1, let at = inner.first else { return false }
      if groups[0].isEmpty, at != 1 { return false }
      if groups[groups.count - 1].isEmpty, at != groups.count - 2 { return false }
    }
    var written = 0
    for (number, group) in groups.enumerated() where !group.isEmpty {
      if number == groups.count - 1, group.contains(UInt8(ascii: ".")) {
        guard isIPv4Address(group) else { return false }
        written += 2
      } else {
        guard group.count <= 4, group.allSatisfy({ HexDigit.value($0) != nil }) else { return false }
        written += 1
      }
    }
    return isElided ? written <= 7 : written == 8
  }

  /// Whether a resolver may take a name with this last label for a number: decimal, octal or hexadecimal.
  private static func isNumber(_ label: some Collection<UInt8>) -> Bool {
    if label.isEmpty { return false }
    if label.allSatisfy(isDigit) { return true }
    let digits = label.dropFirst(2)
    return label.first == UInt8(ascii: "0") && label.dropFirst().first.map { $0 | 0x20 } == UInt8(ascii: "x")
      && digits.allSatisfy { HexDigit.value($0) != nil }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || isDigit(byte) || byte == UInt8(ascii: "-")
      || byte == UInt8(ascii: "_")
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
