import AdapterAPI

/// A configuration without errors, with the keys made from it.
struct CheckedConfiguration: Sendable {
  let loaded: LoadedConfiguration
  let configuration: Configuration
  let keys: KeyRing
}

/// The source of a configuration. `check`, `run` and a reload all read the configuration with `load`, so that they find the
/// same problems.
struct ConfigurationSource: Sendable {
  /// The path as the user typed it.
  let file: String
  /// The text of a configuration that is built in (`run --demo`); nil where the file is read.
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
