import AdapterAPI

/// The query parameters of a resource request. Unknown and repeated parameters are errors.
struct ResourceQuery: Sendable {
  private var values: [String: String] = [:]

  /// - Parameter names: the route's parameters.
  init(_ query: String, _ names: [String]) throws(GatewayError) {
    for piece in query.utf8.split(separator: UInt8(ascii: "&")) {
      let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
      let name = try Self.decoded(piece[..<equals])
      guard names.contains(name) else {
        let known = names.isEmpty ? "this route has none" : "there are \(names.joined(separator: ", "))"
        let hint = Spelling.hint(for: name, among: names)
        let end = hint.isEmpty ? "." : hint
        throw .badRequest("The query parameter '\(Spelling.printable(name))' is unknown; \(known)\(end)")
      }
      guard values[name] == nil else { throw .badRequest("The query parameter '\(name)' occurs twice; send it once.") }
      values[name] = equals < piece.endIndex ? try Self.decoded(piece[piece.index(after: equals)...]) : ""
    }
  }

  /// Returns nil for an absent or empty parameter.
  subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// Reads `true` or `false`; false when absent.
  func flag(_ name: String) throws(GatewayError) -> Bool {
    switch self[name] {
    case nil, "false": false
    case "true": true
    default: throw .badRequest("The query parameter '\(name)' must be true or false.")
    }
  }

  /// Decodes percent-encoding; `+` means a space, as in HTML forms.
  private static func decoded(_ text: Substring.UTF8View) throws(GatewayError) -> String {
    guard let bytes = PercentEncoding.decode(text, isForm: true) else {
      throw .badRequest("A '%' in the query is not followed by two hexadecimal digits; write '%25' for a '%'.")
    }
    guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw .badRequest("The query must be UTF-8 text without NUL, percent-encoded.")
    }
    return decoded
  }
}

/// The query parameters of `GET /api/objects`.
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
      guard text.utf8.allSatisfy(\.isDigit), let number = Int(text),
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
          "The query parameter 'cursor' is not valid; take it from the 'Link' field of the previous page.")
      }
      after = code
    }
    query = ObjectQuery(type: given["type"], text: given["q"], after: after, limit: limit)
  }

  /// Returns the value of `Link` to the page after `code` (RFC 8288).
  func link(_ path: String, after code: String) -> String {
    var parameters: [String] = []
    for name in Self.names where name != "cursor" {
      if let value = given[name] { parameters.append("\(name)=\(PercentEncoding.encode(value))") }
    }
    parameters.append("cursor=\(Self.cursor(code))")
    return "<\(path)?\(parameters.joined(separator: "&"))>; rel=\"next\""
  }

  /// The first byte of a cursor, so that its format may change.
  private static let version = UInt8(ascii: "1")

  private static func cursor(_ code: String) -> String { Base64URL.encode([version] + Array(code.utf8)) }

  private static func code(_ cursor: String) -> String? {
    guard let bytes = Base64URL.decode(cursor), bytes.first == version, bytes.count > 1, !bytes.contains(0) else {
      return nil
    }
    return String(validating: bytes.dropFirst(), as: UTF8.self)
  }
}
