import AdapterAPI

/// What reading a configuration gave: the configuration, if it is good, and every problem with its place.
struct LoadedConfiguration: Sendable {
  /// The file as the user named it.
  let file: String
  /// Nil when there are errors.
  let configuration: Configuration?
  /// Sorted by position.
  let problems: [ConfigError]
  /// The lines of the file.
  let source: [String]
  let resolver: Settings.Resolver

  /// What `run` and a reload refuse: the errors, and what is right and would be unsafe to go on without.
  var stopping: [ConfigError] { problems.filter(\.stopsRun) }
  var errorCount: Int { problems.count { $0.severity == .error } }
  var warningCount: Int { problems.count - errorCount }

  /// The vendor's settings of one instance, to build the adapter from; with problems of its own.
  func settings(for instance: Configuration.AdapterInstance) -> Settings {
    ConfigurationLoader.settings(for: instance, problems: Settings.Problems(), resolver: resolver)
  }
}
