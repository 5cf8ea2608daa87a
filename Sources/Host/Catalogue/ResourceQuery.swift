import AdapterAPI

/// The parameters behind a resource's path, read strictly: no unknown one, none twice.
struct ResourceQuery: Sendable {
  private var values: [String: String] = [:]

  /// - Parameter names: those that the route knows.
  init(_ query: String, _ names: [String]) throws(GatewayError) {
    for piece in query.utf8.split(separator: UInt8(ascii: "&")) {
      let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
      let name = try Self.decoded(piece[..<equals])
      guard names.contains(name) else {
        let known = names.isEmpty ? "this route takes none" : "there are \(names.joined(separator: ", "))"
        let hint = Spelling.hint(for: name, among: names)
        let end = hint.isEmpty ? "." : hint
        throw .badRequest("The query parameter '\(Spelling.printable(name))' is unknown; \(known)\(end)")
      }
      guard values[name] == nil else { throw .badRequest("The query parameter '\(name)' stands twice; send it once.") }
      values[name] = equals < piece.endIndex ? try Self.decoded(piece[piece.index(after: equals)...]) : ""
    }
  }

  /// Nil for a parameter that is absent or empty.
  subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// `true` or `false`; absent is false.
  func flag(_ name: String) throws(GatewayError) -> Bool {
    switch self[name] {
    case nil, "false": false
    case "true": true
    default: throw .badRequest("The query parameter '\(name)' must be true or false.")
    }
  }

  /// Percent-encoding is undone, and `+` is a space, as in forms.
  private static func decoded(_ text: Substring.UTF8View) throws(GatewayError) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var rest = text[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst()?.hexadecimalValue, let low = rest.popFirst()?.hexadecimalValue else {
          throw .badRequest("A '%' in the query is not followed by two hexadecimal digits; write '%25' for a '%'.")
        }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw .badRequest("The query must be UTF-8 text without NUL, percent-encoded.")
    }
    return decoded
  }

  /// All but the unreserved characters of RFC 3986 §2.3 percent-encoded.
  static func encoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var out: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        out.append(byte)
      default: out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}

/// What `GET /api/objects` asks for.
struct ObjectListQuery: Sendable {
  let query: ObjectQuery
  private let given: ResourceQuery

  static let names = ["type", "q", "limit", "cursor"]
  static let defaultLimit = 100
  static let maximumLimit = 1000

  init(_ text: String) throws(GatewayError) {
    given = try ResourceQuery(text, Self.names)
    var limit = Self.defaultLimit
    if let text = given["limit"] {
      guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(text),
        1...Self.maximumLimit ~= number
      else {
        throw .badRequest("The query parameter 'limit' must be a whole number from 1 to \(Self.maximumLimit).")
      }
      limit = number
    }
    var after: String?
    if let cursor = given["cursor"] {
      guard let code = Self.code(cursor) else {
        throw .badRequest(
          "The query parameter 'cursor' is not one of ours; take it from the 'Link' of the page before.")
      }
      after = code
    }
    query = ObjectQuery(type: given["type"], text: given["q"], after: after, limit: limit)
  }

  /// The `Link` to the page behind that code (RFC 8288).
  func link(_ path: String, after code: String) -> String {
    var parameters: [String] = []
    for name in Self.names where name != "cursor" {
      if let value = given[name] { parameters.append("\(name)=\(ResourceQuery.encoded(value))") }
    }
    parameters.append("cursor=\(Self.cursor(code))")
    return "<\(path)?\(parameters.joined(separator: "&"))>; rel=\"next\""
  }

  /// What the cursor is made of may change: its first byte tells.
  private static let version = UInt8(ascii: "1")

  private static func cursor(_ code: String) -> String { Base64URL.encode([version] + Array(code.utf8)) }

  private static func code(_ cursor: String) -> String? {
    guard let bytes = Base64URL.decode(cursor), bytes.first == version, bytes.count > 1, !bytes.contains(0) else {
      return nil
    }
    return String(validating: bytes.dropFirst(), as: UTF8.self)
  }
}
