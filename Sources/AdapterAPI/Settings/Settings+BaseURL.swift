// An upstream's address.

extension Settings {
  /// Reads `http://host[:port][/path]`, or `https`. Required. No message shows the value, which may hold a credential.
  public func baseURL(_ key: String) -> BaseURL {
    let placeholder = BaseURL(isTLS: false, host: "localhost", port: 80, path: "")
    guard let scalar = required(key, isMissing: true) else { return placeholder }
    return baseURL(scalar, key) ?? placeholder
  }

  /// Reads a list of such addresses; a single one counts as a list of one. Empty when the key is absent.
  public func baseURLs(_ key: String) -> [BaseURL] { scalars(key).compactMap { baseURL($0, key) } }

  private func baseURL(_ scalar: Scalar, _ key: String) -> BaseURL? {
    switch BaseURL.parse(scalar.text) {
    case .success(let url): return url
    case .failure(let mistake):
      problems.error("'\(key)'\(place) \(mistake.reason)", at: scalar.position)
      return nil
    }
  }
}

extension BaseURL {
  struct Mistake: Error, Equatable { let reason: String }

  /// Parses an absolute `http` or `https` URL (RFC 3986 §3) strictly.
  static func parse(_ text: String) -> Result<BaseURL, Mistake> {
    do throws(Mistake) { return .success(try parsed(Array(text.utf8))) } catch { return .failure(error) }
  }

  private static func parsed(_ bytes: [UInt8]) throws(Mistake) -> BaseURL {
    let isTLS: Bool
    switch bytes.firstIndex(of: UInt8(ascii: ":")).map({ String(decoding: bytes[..<$0], as: UTF8.self).lowercased() }) {
    case "http": isTLS = false
    case "https": isTLS = true
    default: throw Mistake(reason: "must start with http:// or https://")
    }
    var rest = bytes[(isTLS ? 6 : 5)...]
    guard rest.starts(with: "//".utf8) else { throw Mistake(reason: "must start with http:// or https://") }
    rest = rest.dropFirst(2)
    let authority = rest.prefix { !"/?#".utf8.contains($0) }
    if !authority.contains(UInt8(ascii: "@")), authority.contains(where: { $0 >= 0x80 }),
      let reason = HostName.mistake(in: authority)
    {
      throw Mistake(reason: reason)
    }
    guard bytes.allSatisfy({ Fields.isVisible($0) && !#"<>"\^`{|}"#.utf8.contains($0) }) else {
      throw Mistake(reason: "has a space or another character that a URL may not have; percent-encode it")
    }
    guard !rest.contains(UInt8(ascii: "#")), !rest.contains(UInt8(ascii: "?")) else {
      throw Mistake(reason: "must have no query ('?') and no fragment ('#')")
    }
    guard !authority.contains(UInt8(ascii: "@")) else {
      throw Mistake(reason: "must have no user name or password; give credentials as settings of their own")
    }
    let (host, port) = try hostAndPort(authority, standard: isTLS ? 443 : 80)
    var path = rest[authority.endIndex...]
    while path.last == UInt8(ascii: "/") { path = path.dropLast() }
    guard isPath(path) else {
      throw Mistake(reason: "has a '%' in its path that is not followed by two hexadecimal digits")
    }
    return BaseURL(isTLS: isTLS, host: host, port: port, path: String(decoding: path, as: UTF8.self))
  }

  private static func hostAndPort(
    _ authority: ArraySlice<UInt8>, standard: UInt16
  ) throws(Mistake) -> (String, UInt16) {
    let form = Mistake(reason: "must have a host name or address and, if any, a port from 1 to 65535")
    let colon = UInt8(ascii: ":")
    var host = authority
    var rest = authority[authority.endIndex...]
    if authority.first == UInt8(ascii: "[") {
      guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { throw form }
      host = authority[..<end].dropFirst()
      rest = authority[end...].dropFirst()
      if host.contains(UInt8(ascii: "%")) {
        throw Mistake(
          reason: "has an IPv6 address with a zone ('%'), which is not supported; use an address without one")
      }
      guard HostName.isIPv6Address(host) else {
        throw Mistake(reason: "must have an IPv6 address between its brackets, like http://[fd00::1]:8080")
      }
    } else {
      if authority.count(where: { $0 == colon }) > 1 {
        throw Mistake(
          reason: "must have brackets around an IPv6 address, like http://[fd00::1]:8080, and one port at most")
      }
      if let at = authority.firstIndex(of: colon) {
        host = authority[..<at]
        rest = authority[at...]
      }
      if host.isEmpty { throw form }
      if let reason = HostName.mistake(in: host) { throw Mistake(reason: reason) }
    }
    let name = String(decoding: host, as: UTF8.self).lowercased()
    if rest.isEmpty { return (name, standard) }
    let digits = rest.dropFirst()
    guard rest.first == colon, !digits.isEmpty, digits.count <= 5, digits.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0
    else { throw form }
    return (name, port)
  }

  private static func isPath(_ path: ArraySlice<UInt8>) -> Bool {
    var at = path.startIndex
    while at < path.endIndex {
      if path[at] == UInt8(ascii: "%") {
        guard at + 2 < path.endIndex, HexDigit.value(path[at + 1]) != nil, HexDigit.value(path[at + 2]) != nil else {
          return false
        }
        at += 2
      }
      at += 1
    }
    return true
  }
}
