import AdapterAPI

/// A configuration that `run` can start with: read, and its keys made.
struct CheckedConfiguration: Sendable {
  let loaded: LoadedConfiguration
  let configuration: Configuration
  let keys: KeyRing
}

/// Where the configuration comes from; `check`, `run` and a reload all read it here, so that they can't disagree.
struct ConfigurationSource: Sendable {
  /// As the user named it.
  let file: String
  /// The configuration itself, where it is built in (`run --demo`).
  var text: String?
  let environment: [String: String]

  struct Result {
    let loaded: LoadedConfiguration
    /// Nil when there are errors.
    let checked: CheckedConfiguration?
  }

  func load() -> Result {
    var loaded: LoadedConfiguration
    if let text {
      loaded = ConfigurationLoader.load(
        bytes: Array(text.utf8), file: file, folder: "", environment: environment,
        adapterTypes: AdapterRegistry.adapterTypes)
    } else {
      loaded = ConfigurationLoader.load(
        path: file, environment: environment, adapterTypes: AdapterRegistry.adapterTypes)
    }
    guard let configuration = loaded.configuration else { return Result(loaded: loaded, checked: nil) }
    let problems = Settings.Problems()
    let keys = KeyRing.make(configuration.auth, problems: problems)
    loaded = loaded.adding(problems.all)
    guard let keys, !problems.hasErrors else { return Result(loaded: loaded, checked: nil) }
    return Result(
      loaded: loaded, checked: CheckedConfiguration(loaded: loaded, configuration: configuration, keys: keys))
  }
}

extension LoadedConfiguration {
  /// The same with further problems, all in order of their position.
  func adding(_ more: [ConfigError]) -> LoadedConfiguration {
    if more.isEmpty { return self }
    let all = (problems + more).enumerated()
      .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
      .map(\.element)
    return LoadedConfiguration(
      file: file, configuration: all.contains { $0.severity == .error } ? nil : configuration, problems: all,
      source: source,
      resolver: resolver)
  }
}
