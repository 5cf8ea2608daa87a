// An upstream's address.

extension Settings {
  /// Reads `http://host[:port][/path]`, or `https`. Required. No message shows the value, which may hold a credential.
  public func baseURL(_ key: String) -> BaseURL {
    let placeholder = BaseURL(isTLS: false, host: "localhost", port: 80, path: "")
    guard let scalar = required(key, isMissing: true) else { return placeholder }
    switch BaseURL.parse(scalar.text) {
    case .success(let url): return url
    case .failure(let mistake):
      problems.error("'\(key)'\(place) \(mistake.reason)", at: scalar.position)
      return placeholder
    }
  }
}

extension BaseURL {
  struct Mistake: Error, Equatable { let reason: String }

  /// Parses an absolute `http` or `https` URL (RFC 3986 §3) strictly.
  static func parse(_ text: String) -> Result<BaseURL, Mistake> {
    func wrong(_ reason: String) -> Result<BaseURL, Mistake> { .failure(Mistake(reason: reason)) }
    let bytes = Array(text.utf8)
    guard bytes.allSatisfy({ Fields.isVisible($0) && !#"<>"\^`{|}"#.utf8.contains($0) }) else {
      return wrong("has a space or another character that a URL may not have; percent-encode it")
    }
    let isTLS: Bool
    switch bytes.firstIndex(of: UInt8(ascii: ":")).map({ String(decoding: bytes[..<$0], as: UTF8.self).lowercased() }) {
    case "http": isTLS = false
    case "https": isTLS = true
    default: return wrong("must start with http:// or https://")
    }
    var rest = bytes[(isTLS ? 6 : 5)...]
    guard rest.starts(with: "//".utf8) else { return wrong("must start with http:// or https://") }
    rest = rest.dropFirst(2)
    guard !rest.contains(UInt8(ascii: "#")), !rest.contains(UInt8(ascii: "?")) else {
      return wrong("must have no query ('?') and no fragment ('#')")
    }
    let pathStart = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
    let authority = rest[..<pathStart]
    guard !authority.contains(UInt8(ascii: "@")) else {
      return wrong("must have no user name or password; give credentials as settings of their own")
    }
    guard let (host, port) = hostAndPort(authority, standard: isTLS ? 443 : 80) else {
      return wrong("must have a host name or address and, if any, a port from 1 to 65535")
    }
    var path = rest[pathStart...]
    while path.last == UInt8(ascii: "/") { path = path.dropLast() }
    guard isPath(path) else { return wrong("has a '%' in its path that is not followed by two hexadecimal digits") }
    return .success(BaseURL(isTLS: isTLS, host: host, port: port, path: String(decoding: path, as: UTF8.self)))
  }

  private static func hostAndPort(_ authority: ArraySlice<UInt8>, standard: UInt16) -> (String, UInt16)? {
    var host = authority
    var rest = authority[authority.endIndex...]
    let isIPv6 = authority.first == UInt8(ascii: "[")
    if isIPv6 {
      guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { return nil }
      host = authority[authority.startIndex..<end].dropFirst()
      rest = authority[end...].dropFirst()
    } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
      host = authority[..<colon]
      rest = authority[colon...]
    }
    var port = standard
    if !rest.isEmpty {
      let digits = rest.dropFirst()
      guard rest.first == UInt8(ascii: ":"), !digits.isEmpty, digits.count <= 5, digits.allSatisfy(isDigit),
        let number = UInt16(String(decoding: digits, as: UTF8.self)), number > 0
      else { return nil }
      port = number
    }
    let name = String(decoding: host, as: UTF8.self).lowercased()
    guard isIPv6 ? isIPv6Address(host) : isHostName(host) else { return nil }
    return (name, port)
  }

  /// Labels of letters, digits, hyphens and underscores with dots between them; at most 253 bytes (RFC 1035 §2.3.4).
  private static func isHostName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard (1...253).contains(bytes.count) else { return false }
    return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
      (1...63).contains(label.count)
        && label.allSatisfy {
          (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || isDigit($0) || $0 == UInt8(ascii: "-")
            || $0 == UInt8(ascii: "_")
        }
    }
  }

  /// Groups of up to four hexadecimal digits, one `::` at most (RFC 4291 §2.2), without a zone.
  private static func isIPv6Address(_ bytes: ArraySlice<UInt8>) -> Bool {
    let groups = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard (3...9).contains(groups.count) else { return false }
    // `::` at either end gives one more empty group than in the middle.
    let empty = groups.indices.filter { groups[$0].isEmpty }
    let isElided = !empty.isEmpty
    if isElided {
      let inner = empty.filter { $0 != groups.startIndex && $0 != groups.endIndex - 1 }
      guard inner.count == 1, let at = inner.first else { return false }
      if groups[groups.startIndex].isEmpty, at != groups.startIndex + 1 { return false }
      if groups[groups.endIndex - 1].isEmpty, at != groups.endIndex - 2 { return false }
    }
    var written = 0
    for (number, group) in groups.enumerated() where !group.isEmpty {
      if number == groups.count - 1, group.contains(UInt8(ascii: ".")) {
        guard isIPv4Address(group) else { return false }
        written += 2
      } else {
        guard group.count <= 4, group.allSatisfy(isHexadecimal) else { return false }
        written += 1
      }
    }
    return isElided ? written <= 7 : written == 8
  }

  private static func isIPv4Address(_ bytes: ArraySlice<UInt8>) -> Bool {
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        part.allSatisfy(isDigit) && UInt8(String(decoding: part, as: UTF8.self)) != nil
      }
  }

  private static func isPath(_ path: ArraySlice<UInt8>) -> Bool {
    var at = path.startIndex
    while at < path.endIndex {
      if path[at] == UInt8(ascii: "%") {
        guard at + 2 < path.endIndex, isHexadecimal(path[at + 1]), isHexadecimal(path[at + 2]) else { return false }
        at += 2
      }
      at += 1
    }
    return true
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool { HexDigit.value(byte) != nil }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
