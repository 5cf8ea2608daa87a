import AdapterAPI

/// Converts the mappings of one document into a `Configuration`, section by section.
///
/// Reads and checks every key that a configuration may have. A key that is not implemented yet gives a warning, whatever its value,
/// and an error where ignoring the value would be unsafe: what `check` accepts, `run` starts.
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
    let auth = readAuth(tokenNeededBy: routes.first { $0.requiresToken || $0.front != nil })
    checkFrontSecret(routes, auth)
    checkBudgets(adapters, routes)
    readStream()
    readConsole()
    readTelemetry()
    readReload()
    finish(root, .top)
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
    finish(section, .log)
    return log
  }

  /// Returns the mapping under a key of the top level, or an empty one.
  func section(_ key: String) -> Settings { root.section(key) ?? root.emptySection(key) }

  /// Warns about a key that is not implemented yet, if it is written, whatever its value.
  func notImplemented(_ key: String, _ settings: Settings) {
    if settings.contains(key) { settings.warning("'\(key)' is not implemented yet and has no effect", at: key) }
  }

  /// Records an error for a key that is not implemented yet and whose value would be unsafe to ignore.
  ///
  /// - Parameters:
  ///   - isUnsafe: whether the value is one; any other gives a warning.
  ///   - reason: the rest of the sentence, with the remedy.
  func notImplemented(_ key: String, _ settings: Settings, unsafeIf isUnsafe: Bool, _ reason: String) {
    if isUnsafe {
      settings.error("'\(key)' is not implemented yet, \(reason)", at: key)
    } else {
      notImplemented(key, settings)
    }
  }

  /// Records an error for every key of the mapping that was not read.
  func finish(_ settings: Settings, _ mapping: MisplacedKeys.Mapping, vendorKeys: [String]? = nil) {
    // Made for a mapping that has such keys only: a file may have thousands of mappings.
    guard settings.hasUnread else { return }
    let keys = vendorKeys ?? adapterTypes.flatMap(\.settings)
    settings.finish(misplaced: MisplacedKeys.clauses(in: mapping, vendorKeys: keys))
  }
}
