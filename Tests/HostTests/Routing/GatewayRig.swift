import AdapterAPI
import Foundation

@testable import Host

/// The configuration of a gateway with the mock adapter, in this process.
struct GatewayRig: Sendable {
  static let secret = "0123456789abcdef0123456789abcdef"

  static let text = """
    version: 1
    listen:
      address: "127.0.0.1:0"
      event_loops: 2
      max_body_size: 64KiB
      drain_timeout: 30s
      header_timeout: 60s
      body_timeout: 60s
    admin: {address: "127.0.0.1:0"}
    auth: {keys: [{alg: HS256, secret: {env: SECRET}}]}
    store: {type: memory}
    adapters: {demo: {type: mock, settings: {}}}
    defaults: {adapter: demo}
    routes:
      - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      - {method: POST, path: /api/iot/codes/values, operation: values}
      - {method: POST, path: /api/iot/codes/set, operation: set, roles: [reader], write_roles: [writer]}
      - {method: POST, path: /open, operation: values, auth: none}
      - {method: POST, path: /api/iot/alarms, operation: alarms}
      - {method: GET, path: /both, operation: token}
      - {method: POST, path: /both, operation: values}
      - {path: /api/objects, operation: objects}
      - {method: GET, path: /api/status, operation: status}

    """

  static func source(_ text: String = GatewayRig.text) -> ConfigurationSource {
    ConfigurationSource(file: "test", text: text, environment: ["SECRET": secret])
  }

  static func quietLog() -> Log { Log(level: .error, access: false, descriptor: 2) }

  static func token(roles: [String] = [], lifetime: Duration = .seconds(3600)) -> String {
    let token = TokenIssuer.issueHS256(
      secret: Secret(secret), subject: "me", roles: roles, rolesClaim: "role", issuer: nil, audience: nil,
      lifetime: lifetime,
      now: System.wall() / 1000)
    return "Authorization: Bearer \(token)\r\n"
  }
}
