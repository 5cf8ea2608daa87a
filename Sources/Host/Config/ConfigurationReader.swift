import AdapterAPI

/// Converts the mappings of one document into a `Configuration`, section by section.
///
/// Reads and checks every key that a configuration may have. A key that is not implemented yet gives a warning. Where ignoring
/// the key would be unsafe, `run` and a reload refuse the configuration as well.
struct ConfigurationReader {
  let root: Settings
  /// The folder that relative paths start from.
  let folder: String
  let adapterTypes: [AdapterType]

  var problems: Settings.Problems { root.problems }

  static let day = Duration.seconds(86_400)
  static let shortest = Duration.milliseconds(1)

  /// Reads the document. The result is valid only when no error was recorded.
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
      routes: routes, defaultAdapter: defaults.adapter)
  }

  private func readVersion() {
    if root.contains("version"), root.integer("version", default: 1) != 1 {
      root.error("'version' must be 1, the only version that this program reads", at: "version")
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
    log.writes = section.flag("writes", default: true)
    section.finish()
    return log
  }

  /// Returns the mapping under a key of the top level, or an empty one.
  func section(_ key: String) -> Settings { root.section(key) ?? root.emptySection(key) }

  /// Records a setting that is not implemented yet and that is unsafe to ignore.
  func refuseRun(_ message: String, at position: SourcePosition) {
    problems.add(ConfigError(message, at: position, severity: .warning, stopsRun: true))
  }

  /// Records a setting that is not implemented yet and is ignored.
  func notImplemented(_ key: String, _ settings: Settings, when isSet: Bool = true) {
    if isSet { settings.warning("'\(key)' is not implemented yet", at: key) }
  }
}
