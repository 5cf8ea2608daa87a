import Foundation
import TestSupport

/// EcoCtrl's server as a client of WebTalk: the requests of its `services/iot/auth.ts` and `client.ts`, byte for byte as Node's
/// `fetch` sends them, and the same reactions to the responses.
final class EcoCtrlServer {
  struct Failed: Error, CustomStringConvertible { let description: String }

  /// The path of the front in tests.
  static let path = "/_webtalk/_cur/api"
  static let appID = "ecoctrl-" + Secrets.random(8)
  /// The subject of the application in the log.
  static let subject = "the-ecoctrl-server"

  let port: UInt16
  let appID: String
  /// The pair of tokens, as EcoCtrl keeps it in its table `iot_tokens`.
  var access = ""
  var refresh = ""
  /// The requests that were sent, by the last part of their path, with the grant type of token calls.
  private(set) var sent: [String] = []

  init(port: UInt16, appID: String = EcoCtrlServer.appID) {
    self.port = port
    self.appID = appID
  }

  /// Returns the configuration of a front for this server.
  static func route(_ more: [String: String] = [:], roles: String = "[]") -> String {
    let apps =
      "[{app_id: {env: ECOCTRL_APP_ID}, subject: \(subject), roles: \(roles)}, {app_id: {env: OTHER_APP_ID}, subject: other}]"
    let keys = ["path": path, "operation": "webtalk-front", "apps": apps].merging(more) { $1 }
    return "{" + keys.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: ", ") + "}"
  }

  static let otherAppID = "other-" + Secrets.random(8)
  static let environment = ["ECOCTRL_APP_ID": appID, "OTHER_APP_ID": otherAppID]

  // MARK: auth.ts

  /// `fetchToken`
  func fetchToken(_ grantType: String, refreshToken: String? = nil) throws -> TestMessage {
    var query = "grant_type=\(grantType)&appId=\(appID)"
    if let refreshToken { query += "&refreshToken=\(refreshToken)" }
    return try get("access_token?\(query)")
  }

  func authorize() throws { try take(fetchToken("authorization")) }

  /// `refreshToken`: any failure leads to an authorization.
  func renew() throws {
    do { try take(fetchToken("refresh", refreshToken: refresh)) } catch is Failed { try authorize() }
  }

  private func take(_ response: TestMessage) throws {
    guard response.status == 200, let body = response.json else { throw Failed(description: "HTTP \(response.status)") }
    if let code = body["code"] as? Int, code != 200 { throw Failed(description: "code=\(code)") }
    access = body["access_token"] as? String ?? ""
    refresh = body["refresh_token"] as? String ?? ""
    if access.isEmpty { throw Failed(description: "empty access_token") }
  }

  // MARK: client.ts

  /// `iotRequest`, with the recursion that it has no limit for limited to one.
  func request(_ call: String, _ body: String, fields: String = "", again: Bool = true) throws -> TestMessage {
    if access.isEmpty { try authorize() }
    let response = try post(call, body, fields: fields)
    guard let code = response.json?["code"] as? Int, code == 301 || code == 302 else { return response }
    guard again else {
      throw Failed(description: "code=\(code) with a new token, which EcoCtrl answers without an end")
    }
    try authorize()
    return try request(call, body, fields: fields, again: false)
  }

  /// Sends a call with the present token; nil leaves a field out.
  func post(
    _ call: String, _ body: String, fields: String = "", appID: String? = nil, token: String? = nil,
    hasAppID: Bool = true, hasToken: Bool = true
  ) throws -> TestMessage {
    var credentials = hasAppID ? "appid: \(appID ?? self.appID)\r\n" : ""
    if hasToken { credentials += "token: \(token ?? access)\r\n" }
    return try send(
      "POST", call, credentials + "content-type: application/json\r\n\(fields)content-length: \(body.utf8.count)\r\n",
      body)
  }

  func get(_ target: String) throws -> TestMessage { try send("GET", target, "", "") }

  func send(_ method: String, _ target: String, _ fields: String, _ body: String) throws -> TestMessage {
    let parts = target.split(separator: "?", maxSplits: 1)
    let grant = parts.count > 1 ? parts[1].firstMatch(of: /grant_type=([a-z]*)/).map { ":\($0.1)" } ?? "" : ""
    sent.append(String(parts.first ?? "") + grant)
    let head =
      "\(method) \(EcoCtrlServer.path)/\(target) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nconnection: keep-alive\r\n"
      + "\(fields)accept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\n"
      + "accept-encoding: gzip, deflate\r\n\r\n"
    return try RawConnection(port: port).send(head + body).receive(to: method)
  }
}

extension Lab {
  /// A gateway with a front for EcoCtrl's server.
  ///
  /// - Parameters:
  ///   - keys: keys of the front's route.
  ///   - roles: the roles of EcoCtrl's application.
  static func withFront(
    _ keys: [String: String] = [:], roles: String = "[]", upstream: ScriptedWebTalk? = nil,
    change: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws -> Lab {
    try Lab(upstream: upstream, environment: EcoCtrlServer.environment) {
      $0.moreRoutes = [EcoCtrlServer.route(keys, roles: roles)]
      change(&$0)
    }
  }

  /// EcoCtrl's server with a token.
  func ecoctrl() throws -> EcoCtrlServer {
    let server = EcoCtrlServer(port: gateway.port)
    try server.authorize()
    return server
  }
}

/// Tokens of a front, made without the gateway's code.
enum FrontToken {
  /// HKDF with SHA-256, without salt, 32 bytes (RFC 5869).
  static func key(secret: String = Secrets.jwt) -> [UInt8] {
    let extracted = JWT.hmac(key: [UInt8](repeating: 0, count: 32), Array(secret.utf8))
    return JWT.hmac(key: extracted, Array("webtalk-front".utf8) + [1])
  }

  static func claims(_ token: String) throws -> [String: Any] {
    let parts = token.split(separator: ".")
    guard parts.count == 3, let data = JWT.decoded(String(parts[1])) else { return [:] }
    return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
  }

  /// Returns a token with changed claims that is signed correctly; nil as a value removes a claim.
  static func changed(_ token: String, secret: String = Secrets.jwt, _ changes: [String: Any?]) throws -> String {
    var claims = try claims(token)
    for (name, value) in changes { claims[name] = value }
    let json = String(decoding: try JSONSerialization.data(withJSONObject: claims), as: UTF8.self)
    let signed = JWT.base64url(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + "." + JWT.base64url(Array(json.utf8))
    return signed + "." + JWT.base64url(JWT.hmac(key: key(secret: secret), Array(signed.utf8)))
  }
}
