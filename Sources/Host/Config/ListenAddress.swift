import Glibc

/// Parses the address of a listener; checks networks and origins.
enum ListenAddress {
  struct Mistake: Error, Equatable { let reason: String }

  /// Parses `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `:8080` (every IPv4 address). Port 0 takes a free one.
  static func parse(_ text: String) -> Result<(host: String, port: UInt16), Mistake> {
    let form = "must be like 127.0.0.1:8080, [::1]:8080, localhost:8080 or :8080"
    guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else {
      return .failure(Mistake(reason: "\(form); the port is missing"))
    }
    let digits = text[text.utf8.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.count <= 5, digits.utf8.allSatisfy(\.isDigit),
      let port = UInt16(digits)
    else { return .failure(Mistake(reason: "\(form); the port must be from 0 to 65535")) }
    let host = String(text[..<colon])
    switch host {
    case "": return .success(("0.0.0.0", port))
    case "localhost": return .success(("127.0.0.1", port))
    default: break
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      let inner = String(host.dropFirst().dropLast())
      if isIPv6(inner) { return .success((inner.lowercased(), port)) }
    } else if isIPv4(host) {
      return .success((host, port))
    } else if host.utf8.contains(UInt8(ascii: ":")) {
      return .failure(Mistake(reason: "\(form); an IPv6 address needs brackets"))
    }
    return .failure(Mistake(reason: "\(form); the address must be numeric"))
  }

  /// Whether the text is a network like `10.0.0.0/8` or `fd00::/8`, or a single address.
  static func isNetwork(_ text: String) -> Bool {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let address = String(parts[0])
    guard isIPv4(address) || isIPv6(address) else { return false }
    guard parts.count == 2 else { return true }
    guard parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy(\.isDigit), let bits = Int(parts[1]) else {
      return false
    }
    return bits <= (isIPv4(address) ? 32 : 128)
  }

  /// Whether the text is scheme, host and port as a browser writes them (RFC 6454 §6.2).
  static func isOrigin(_ text: String) -> Bool {
    guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { return false }
    let rest = text.utf8.dropFirst(scheme.utf8.count)
    return !rest.isEmpty
      && rest.allSatisfy { byte in
        byte.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || ":-.[]".utf8.contains(byte)
      }
  }

  static func isIPv4(_ text: String) -> Bool {
    var address = in_addr()
    return inet_pton(AF_INET, text, &address) == 1
  }

  static func isIPv6(_ text: String) -> Bool {
    var address = in6_addr()
    return inet_pton(AF_INET6, text, &address) == 1
  }
}
