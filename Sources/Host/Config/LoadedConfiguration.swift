import AdapterAPI

/// The result of reading a configuration: the configuration, if it has no errors, and every problem with its position.
struct LoadedConfiguration: Sendable {
  /// The path as the user typed it.
  let file: String
  /// Nil when there are errors.
  let configuration: Configuration?
  /// The options of the log as far as they could be read, although there may be errors: errors are logged too.
  let log: Configuration.Log
  /// Sorted by position.
  let problems: [ConfigError]
  /// The lines of the file.
  let source: [String]
  let resolver: Settings.Resolver

  var errors: [ConfigError] { problems.filter { $0.severity == .error } }
  var errorCount: Int { problems.count { $0.severity == .error } }
  var warningCount: Int { problems.count - errorCount }

  /// Returns the vendor's settings of one instance, with a problem list of their own, to make the adapter from.
  func settings(for instance: Configuration.AdapterInstance) -> Settings {
    ConfigurationLoader.settings(for: instance, problems: Settings.Problems(), resolver: resolver)
  }

  /// Returns the same configuration with further problems.
  func adding(_ more: [ConfigError]) -> LoadedConfiguration {
    if more.isEmpty { return self }
    return LoadedConfiguration(
      file: file, configuration: more.contains { $0.severity == .error } ? nil : configuration, log: log,
      problems: ConfigurationLoader.sorted(problems + more), source: source, resolver: resolver)
  }
}
