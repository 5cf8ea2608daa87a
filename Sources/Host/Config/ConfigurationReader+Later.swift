import AdapterAPI

// stream, console, telemetry, reload: read and checked, but not implemented yet.

extension ConfigurationReader {
  func readStream() {
    let section = section("stream")
    _ = section.duration("interval", default: .seconds(1), in: .milliseconds(10)...Self.day)
    _ = section.integer("max_subscribers", default: 5000, in: 0...1_000_000)
    _ = section.integer("max_codes", default: 1000, in: 1...1_000_000)
    _ = section.duration("heartbeat", default: .seconds(15), in: .seconds(1)...Self.day)
    for key in ["interval", "max_subscribers", "max_codes", "heartbeat"] { notImplemented(key, section) }
    finish(section, .stream)
  }

  func readConsole() {
    let section = section("console")
    _ = section.flag("enabled", default: true)
    let path = section.text("path", default: "/console")
    if !path.isEmpty, let reason = RoutePath.mistake(in: path) {
      section.error("'path' in console \(reason)", at: "path")
    }
    for key in ["enabled", "path"] { notImplemented(key, section) }
    finish(section, .console)
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
    finish(section, .telemetry)
  }

  func readReload() {
    let section = section("reload")
    _ = section.flag("watch", default: false)
    notImplemented("watch", section)
    finish(section, .reload)
  }
}
