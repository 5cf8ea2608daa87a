import AdapterAPI

/// The applications of a front and their tokens. Immutable.
///
/// A front is the server side of the upstream contract: programs that speak it call the gateway as if it were their upstream. They
/// authenticate with the id of an application and a token of the front's; their calls then are operations like any other.
final class Front: Sendable {
  struct App: Sendable {
    let id: [UInt8]
    /// The name in the application's tokens.
    let name: String
    let subject: String
    let roles: [String]
  }

  let tokens: FrontTokens
  let configuration: Configuration.Front
  private let apps: [App]

  init(_ configuration: Configuration.Front, _ tokens: FrontTokens) {
    self.configuration = configuration
    self.tokens = tokens
    apps = configuration.apps.map {
      App(id: Array($0.id.exposed.utf8), name: tokens.name(ofApp: $0.id), subject: $0.subject, roles: $0.roles)
    }
  }

  /// Returns the application with that id.
  func app(id: UnsafeBufferPointer<UInt8>) -> App? {
    guard !id.isEmpty else { return nil }
    return apps.first { areEqualInConstantTime(id, $0.id) }
  }

  /// Whether an application with that name in its tokens is listed.
  func hasApp(named name: String?) -> Bool { apps.contains { $0.name == name } }

  /// Returns the body of the response to a successful log-in: a new pair of tokens.
  func grant(to app: App, now: Int64) -> [UInt8] {
    JSONWriter.object {
      $0.member(
        "access_token", tokens.issue(.access, to: app.name, lifetime: configuration.tokenLife, now: now))
      $0.member(
        "refresh_token", tokens.issue(.refresh, to: app.name, lifetime: configuration.refreshLife, now: now))
      $0.member("token_type", "bearer")
    }
  }
}

/// A call of a front, as the method and the path below the front's own select it.
enum FrontCall: Sendable, Equatable {
  case token
  case operation(Operation)

  /// The result of matching a path and a method.
  enum Match: Sendable, Equatable {
    case call(FrontCall)
    case notFound
    case methodNotAllowed(allow: String)
  }

  /// - Parameter below: the bytes of the path after the front's own path.
  static func match(method: RequestHead.Method, below: some Collection<UInt8>) -> Match {
    if below.elementsEqual("/access_token".utf8) {
      // HEAD is GET without the body (RFC 9110 §9.3.2).
      return method == .get || method == .head ? .call(.token) : .methodNotAllowed(allow: "GET, HEAD")
    }
    guard let operation = Operation.allCases.first(where: { below.elementsEqual(path(of: $0).utf8) }) else {
      return .notFound
    }
    return method == .post ? .call(.operation(operation)) : .methodNotAllowed(allow: "POST")
  }

  private static func path(of operation: Operation) -> String {
    switch operation {
    case .values: "/getCodesVal"
    case .history: "/getCodesHisVal"
    case .set: "/setCodesVal"
    case .forceSet: "/forceSetCodesVal"
    case .alarms: "/getHisAlarms"
    case .alarmConfigs: "/getAlarmConfigs"
    }
  }
}

/// The query of a front's token call. Other parameters are ignored, as the upstream ignores them.
struct FrontTokenQuery {
  let grantType: String
  let appID: [UInt8]
  let refreshToken: [UInt8]

  /// - Throws: `.badRequest` when a parameter occurs twice or is not percent-encoded correctly. The message has no value.
  init(_ query: UnsafeBufferPointer<UInt8>) throws(GatewayError) {
    var values: [String: [UInt8]] = [:]
    for piece in query.split(separator: UInt8(ascii: "&")) {
      let equals = piece.firstIndex(of: UInt8(ascii: "=")) ?? piece.endIndex
      let name = String(decoding: try Self.decoded(piece[..<equals]), as: UTF8.self)
      guard ["grant_type", "appId", "refreshToken"].contains(name) else { continue }
      guard values[name] == nil else { throw .badRequest("The query parameter '\(name)' occurs twice; send it once.") }
      values[name] = try Self.decoded(piece[equals...].dropFirst())
    }
    grantType = String(decoding: values["grant_type"] ?? [], as: UTF8.self)
    appID = values["appId"] ?? []
    refreshToken = values["refreshToken"] ?? []
  }

  private static func decoded(_ text: Slice<UnsafeBufferPointer<UInt8>>) throws(GatewayError) -> [UInt8] {
    guard let bytes = PercentEncoding.decode(text, isForm: true) else {
      throw .badRequest("A '%' in the query is not followed by two hexadecimal digits; write '%25' for a '%'.")
    }
    return bytes
  }
}
