import AdapterAPI

/// `pointgate run --demo`: everything in memory, with a secret that lives as long as the process.
enum Demo {
  /// Returns the demo's configuration, with a random JWT secret.
  static func source() -> ConfigurationSource {
    var environment = Terminal.environment()
    environment["JWT_SECRET"] = randomHex(32)
    // A greeting for people precedes the log, so the log is text as well.
    let text = Starter.demo.text + "log:\n  format: text\n"
    return ConfigurationSource(file: "demo", text: text, environment: environment)
  }

  /// A greeting with a curl line that works when it is pasted.
  static func banner(_ gateway: Gateway) -> String {
    let token = gateway.demoToken(lifetime: .seconds(24 * 3600)) ?? ""
    return """

      Pointgate simulates a small building in memory (adapter 'mock'). Paste this into another terminal:

        curl -s http://\(gateway.address)/api/iot/codes/values -H 'Content-Type: application/json' \\
          -H 'Authorization: Bearer \(token)' \\
          -d '{"codes":["C_5001_AV_0001"]}'

      Health and metrics: http://\(gateway.adminAddress)/readyz  /metrics        Stop: Ctrl-C


      """
  }
}
