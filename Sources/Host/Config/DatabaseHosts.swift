import AdapterAPI

/// Finds the hosts in a connection string of libpq: a URI, or `key=value` pairs
/// (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING).
enum DatabaseHosts {
  /// Returns the names and IPv4 addresses; leaves out folders of sockets and IPv6 addresses, which have one reading only.
  static func names(in text: String) -> [[UInt8]] {
    let bytes = Array(text.utf8)
    let scheme = ["postgres://", "postgresql://"].first(where: text.hasPrefix)
    let lists = scheme.map { ofURI(bytes[$0.utf8.count...]) } ?? ofPairs(bytes)
    return lists.flatMap { $0.split(separator: comma).map(Array.init) }.filter {
      $0.first != UInt8(ascii: "/") && $0.first != UInt8(ascii: "@") && !$0.contains(colon)
    }
  }

  private static let comma = UInt8(ascii: ",")
  private static let colon = UInt8(ascii: ":")
  private static let equals = UInt8(ascii: "=")

  private static func ofURI(_ text: ArraySlice<UInt8>) -> [[UInt8]] {
    var authority = text.prefix { !"/?".utf8.contains($0) }
    if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
    var lists = authority.split(separator: comma).map { host in
      // In brackets an IPv6 address, which the caller leaves out by its colons.
      host.first == UInt8(ascii: "[") ? Array(host) : decoded(host.prefix { $0 != colon })
    }
    let query = text.drop { $0 != UInt8(ascii: "?") }.dropFirst()
    for pair in query.split(separator: UInt8(ascii: "&")) {
      let key = pair.prefix { $0 != equals }
      if isHost(key) { lists.append(decoded(pair[key.endIndex...].dropFirst())) }
    }
    return lists
  }

  private static func ofPairs(_ text: [UInt8]) -> [[UInt8]] {
    var lists: [[UInt8]] = []
    var rest = text[...]
    let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
    while true {
      rest = rest.drop(while: isSpace)
      let key = rest.prefix { $0 != equals && !isSpace($0) }
      rest = rest[key.endIndex...].drop(while: isSpace)
      guard rest.first == equals else { return lists }
      rest = rest.dropFirst().drop(while: isSpace)
      let isQuoted = rest.first == UInt8(ascii: "'")
      if isQuoted { rest = rest.dropFirst() }
      var value: [UInt8] = []
      while let byte = rest.first, isQuoted ? byte != UInt8(ascii: "'") : !isSpace(byte) {
        rest = rest.dropFirst()
        if byte == UInt8(ascii: "\\"), let next = rest.first {
          value.append(next)
          rest = rest.dropFirst()
        } else {
          value.append(byte)
        }
      }
      if isQuoted { rest = rest.dropFirst() }
      if isHost(key) { lists.append(value) }
    }
  }

  private static func isHost(_ key: ArraySlice<UInt8>) -> Bool {
    key.elementsEqual("host".utf8) || key.elementsEqual("hostaddr".utf8)
  }

  /// A text with wrong escapes stays as it is; libpq refuses it.
  private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8] { PercentEncoding.decode(text) ?? Array(text) }
}
