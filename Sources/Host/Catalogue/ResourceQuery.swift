import AdapterAPI

/// The query parameters of a resource request. Unknown and repeated parameters are errors.
struct ResourceQuery: Sendable {
  private var values: [String: String] = [:]

  /// - Parameters:
  ///   - names: the route's parameters.
  ///   - prefix: what the names of further parameters begin with.
  init(_ query: String, _ names: [String], prefix: String? = nil) throws(GatewayError) {
    for piece in query.utf8.split(separator: UInt8(ascii: "&")) {
      let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
      let name = try Self.decoded(piece[..<equals])
      let isFurther = prefix.map { name.hasPrefix($0) && name.utf8.count > $0.utf8.count } ?? false
      guard isFurther || names.contains(name) else {
        let all = names + (prefix.map { [$0 + "KEY"] } ?? [])
        let known = all.isEmpty ? "this route has none" : "there are \(all.joined(separator: ", "))"
        let hint = Spelling.hint(for: name, among: names)
        let end = hint.isEmpty ? "." : hint
        throw .badRequest("The query parameter '\(Spelling.printable(name))' is unknown; \(known)\(end)")
      }
      guard values[name] == nil else {
        throw .badRequest("The query parameter '\(Spelling.printable(name))' occurs twice; send it once.")
      }
      values[name] = equals < piece.endIndex ? try Self.decoded(piece[piece.index(after: equals)...]) : ""
    }
  }

  /// Returns nil for an absent or empty parameter.
  subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// The parameters whose names begin with `prefix`, in the order of their names.
  func parameters(with prefix: String) -> [(name: String, value: String)] {
    values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

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
  static let metadataPrefix = "metadata."
  static let maximumFilters = 10
  static let defaultLimit = 100
  static let maximumLimit = 1000

  init(_ text: String) throws(GatewayError) {
    given = try ResourceQuery(text, Self.names, prefix: Self.metadataPrefix)
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
    let metadata = given.parameters(with: Self.metadataPrefix)
    guard metadata.count <= Self.maximumFilters else {
      throw .badRequest("The query has more than \(Self.maximumFilters) filters on metadata.")
    }
    query = ObjectQuery(
      type: given["type"], text: given["q"],
      metadata: try metadata.map { (name, value) throws(GatewayError) in try Self.filter(name, value) }, after: after,
      limit: limit)
  }

  /// Returns the value of `Link` to the page after `code` (RFC 8288).
  func link(_ path: String, after code: String) -> String {
    var parameters: [String] = []
    for name in Self.names where name != "cursor" {
      if let value = given[name] { parameters.append("\(name)=\(PercentEncoding.encode(value))") }
    }
    for (name, value) in given.parameters(with: Self.metadataPrefix) {
      parameters.append("\(PercentEncoding.encode(name))=\(PercentEncoding.encode(value))")
    }
    parameters.append("cursor=\(Self.cursor(code))")
    return "<\(path)?\(parameters.joined(separator: "&"))>; rel=\"next\""
  }

  /// Returns the filter for `metadata.KEY=value`. A dot in `KEY` leads into an object, or belongs to the key itself, as in
  /// the columns of a CSV import. The value matches an equal text, and where it is a JSON number, `true`, `false` or
  /// `null`, an equal value of that kind.
  private static func filter(_ name: String, _ value: String) throws(GatewayError) -> MetadataFilter {
    let key = String(name.dropFirst(metadataPrefix.count))
    let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.count < JSONShape.maximumDepth else {
      throw .badRequest("The query parameter '\(Spelling.printable(name))' has too many parts.")
    }
    var patterns: [String] = []
    for path in path.count == 1 ? [[key]] : [path, [key]] {
      for wanted in values(value) {
        let pattern = path.reversed().reduce(wanted) { .object([.init($1, $0)]) }
        patterns.append(String(decoding: pattern.serialized, as: UTF8.self))
      }
    }
    return MetadataFilter(patterns: patterns)
  }

  /// Returns the JSON values that a parameter's text may mean.
  private static func values(_ text: String) -> [JSONValue] {
    guard let value = try? JSONValue(parsing: Array(text.utf8)), value.serialized == Array(text.utf8) else {
      return [.string(text)]
    }
    switch value {
    case .flag, .null: return [.string(text), value]
    case .number(let number) where JSONNumber(number).isStorable: return [.string(text), value]
    case .number, .string, .array, .object: return [.string(text)]
    }
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
