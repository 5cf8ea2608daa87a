import AdapterAPI

// stream, console, telemetry, reload: read and checked, but not implemented yet.

extension ConfigurationReader {
  func readStream() {
    let section = section("stream")
    let interval = section.duration("interval", default: .seconds(1), in: .milliseconds(10)...Self.day)
    let subscribers = section.integer("max_subscribers", default: 5000, in: 0...1_000_000)
    let codes = section.integer("max_codes", default: 1000, in: 1...1_000_000)
    let heartbeat = section.duration("heartbeat", default: .seconds(15), in: .seconds(1)...Self.day)
    notImplemented("interval", section, when: interval != .seconds(1))
    notImplemented("max_subscribers", section, when: subscribers != 5000)
    notImplemented("max_codes", section, when: codes != 1000)
    notImplemented("heartbeat", section, when: heartbeat != .seconds(15))
    section.finish()
  }

  func readConsole() {
    let section = section("console")
    _ = section.flag("enabled", default: true)
    let path = section.text("path", default: "/console")
    if !path.isEmpty, let reason = RoutePath.mistake(in: path) {
      section.error("'path' in console \(reason)", at: "path")
    }
    notImplemented("path", section, when: path != "/console" && !path.isEmpty)
    section.finish()
  }

  func readTelemetry() {
    let section = section("telemetry")
    if let otlp = section.section("otlp") {
      _ = otlp.baseURL("endpoint")
      _ = otlp.text("service_name", default: "pointgate")
      _ = otlp.share("sample", default: 1)
      if let headers = otlp.section("headers") { headers.all.forEach { _ = headers.optionalText($0.key) } }
      otlp.finish()
      notImplemented("otlp", section)
    }
    section.finish()
  }

  func readReload() {
    let section = section("reload")
    notImplemented("watch", section, when: section.flag("watch", default: false))
    section.finish()
  }
}
