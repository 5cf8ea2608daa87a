import AdapterAPI

/// Turns the mappings of one document into a `Configuration`, section by section.
///
/// Every key that a configuration may have is read and checked here, also where the part behind it is not built: that
/// is a warning, `'cors' is not in force yet`, unless going on without it would be unsafe. Then it is an error.
struct ConfigurationReader {
  let root: Settings
  /// What relative paths are relative to.
  let folder: String
  let adapterTypes: [AdapterType]

  var problems: Settings.Problems { root.problems }

  static let day = Duration.seconds(86_400)
  static let shortest = Duration.milliseconds(1)

  /// The result is of use only when no error was recorded.
  func read() -> Configuration {
    readVersion()
    let listen = readListen()
    let admin = readAdmin(besides: listen)
    let log = readLog()
    readLimits()
    let store = readStore()
    let adapters = readAdapters()
    let defaults = readDefaults(adapters)
    let routes = readRoutes(adapters, defaults, listen)
    let auth = readAuth(tokenNeededBy: routes.first { $0.requiresToken })
    checkUsed(adapters, by: routes, defaults)
    checkBudgets(adapters, routes)
    readStream()
    readConsole()
    readTelemetry()
    readReload()
    root.finish()
    return Configuration(
      listen: listen, admin: admin, log: log, auth: auth, store: store, adapters: adapters.map(\.instance),
      routes: routes,
      defaultAdapter: defaults.adapter)
  }

  private func readVersion() {
    if root.contains("version"), root.integer("version", default: 1) != 1 {
      root.error("this program reads version 1 of the configuration", at: "version")
    } else if !root.contains("version") {
      root.error("'version' is missing; write version: 1")
    }
  }

  private func readLog() -> Configuration.Log {
    let section = section("log")
    var log = Configuration.Log()
    switch section.choice("level", ["debug", "info", "warning", "error"], default: "info") {
    case "debug": log.level = .debug
    case "warning": log.level = .warning
    case "error": log.level = .error
    default: log.level = .info
    }
    let format = section.choice("format", ["auto", "text", "json"], default: "auto")
    log.format = Configuration.Log.Format(rawValue: format) ?? .auto
    log.access = section.flag("access", default: true)
    section.finish()
    return log
  }

  /// The mapping under that key of the top level, or an empty one.
  func section(_ key: String) -> Settings { root.section(key) ?? root.emptySection(key) }

  /// The setting is understood and not built, and to run without it would be unsafe.
  func stopRun(_ message: String, at position: SourcePosition) {
    problems.add(ConfigError(message, at: position, severity: .warning, stopsRun: true))
  }

  /// The setting is understood, but nothing acts on it in this release.
  func notInForce(_ key: String, _ settings: Settings, when isSet: Bool = true) {
    if isSet { settings.warning("'\(key)' is not in force yet", at: key) }
  }
}
