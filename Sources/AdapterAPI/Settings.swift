/// Reads one mapping of the configuration, key by key, with types.
///
/// A problem is recorded with its position, and a placeholder is returned, so that one run finds every problem; whoever built the
/// `Settings` throws the result away when problems were recorded. A key that nobody read is an error in the end, with a
/// suggestion. Not `Sendable`: it lives as long as the reading.
public final class Settings {
  /// Gathers the problems of one configuration, over all its mappings.
  public final class Problems {
    public private(set) var all: [ConfigError] = []
    public init() {}
    public func add(_ problem: ConfigError) { all.append(problem) }
    public func error(_ message: String, at position: SourcePosition) { add(ConfigError(message, at: position)) }
    public func warning(_ message: String, at position: SourcePosition) {
      add(ConfigError(message, at: position, severity: .warning))
    }
    public var hasErrors: Bool { all.contains { $0.severity == .error } }
  }

  /// Finds what `{env: NAME}` and `{file: path}` stand for; nil, or a sentence why not.
  public struct Resolver: Sendable {
    public let environment: @Sendable (String) -> String?
    public let file: @Sendable (String) -> Result<String, Missing>
    public struct Missing: Error, Sendable {
      public let reason: String
      public init(_ reason: String) { self.reason = reason }
    }

    public init(
      environment: @escaping @Sendable (String) -> String?, file: @escaping @Sendable (String) -> Result<String, Missing>
    ) {
      self.environment = environment
      self.file = file
    }
  }
}
