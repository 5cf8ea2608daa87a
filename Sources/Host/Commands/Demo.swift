import AdapterAPI

/// `pointgate run --demo`: everything in memory, a secret that dies with the process.
enum Demo {
  static func source() -> ConfigurationSource {
    var environment = Terminal.environment()
    environment["POINTGATE_DEMO_SECRET"] = randomHex(32)
    return ConfigurationSource(file: "demo", text: configuration, environment: environment)
  }

  private static let configuration = """
    version: 1
    listen: {address: "127.0.0.1:8080"}
    admin: {address: "127.0.0.1:9090"}
    auth: {keys: [{alg: HS256, secret: {env: POINTGATE_DEMO_SECRET}}]}
    store: {type: memory}
    adapters: {demo: {type: mock, settings: {}}}
    defaults: {adapter: demo}
    routes:
      - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      - {method: POST, path: /api/iot/codes/values, operation: values}
      - {method: POST, path: /api/iot/codes/history, operation: history}
      - {method: POST, path: /api/iot/codes/set, operation: set}
      - {method: POST, path: /api/iot/codes/force-set, operation: force-set}
      - {method: POST, path: /api/iot/alarms, operation: alarms}
      - {method: POST, path: /api/iot/alarm-configs, operation: alarm-configs}

    """

  /// A greeting with a line that works when it is pasted.
  static func banner(_ gateway: Gateway) -> String {
    let token = gateway.demoToken(lifetime: .seconds(24 * 3600)) ?? ""
    return """

      Pointgate shows a small building that exists in memory only (adapter 'mock'). Paste this into another terminal:

        curl -s http://\(gateway.address)/api/iot/codes/values -H 'Content-Type: application/json' \\
          -H 'Authorization: Bearer \(token)' \\
          -d '{"codes":["C_5001_AV_0001"]}'

      Health and metrics: http://\(gateway.adminAddress)/readyz  /metrics        Stop: Ctrl-C


      """
  }
}
