/// Reads one mapping of the configuration, key by key, with types.
///
/// Records a problem with its position and returns a placeholder, so that one run finds every problem; the creator of the `Settings`
/// discards the result when problems were recorded. A key that was never read is an error in the end (`finish`), with a
/// suggestion. Not `Sendable`: used on one thread while the configuration is read.
///
/// Any scalar may be written as `{env: NAME}` or `{file: path}`. A scalar is read as the type that its key expects, never guessed:
/// `on` is no flag, `0123` is no octal number, `12:30` is no sexagesimal number.
public final class Settings {
  /// The path of this mapping: `adapters.main.settings`, `routes[2]`; empty at the top level.
  public let path: String
  public let position: SourcePosition
  /// The problems found so far; shared by all mappings of one configuration.
  public let problems: Problems
  /// Resolves `{env: NAME}` and `{file: path}`.
  public let resolver: Resolver
  /// Whether another kind of value was written instead of the mapping. That has been reported, so missing keys are not.
  public let isBroken: Bool
  private let entries: [ConfigNode.Entry]
  private let index: [String: Int]
  private var read: Set<String> = []
  /// Every key that was asked for, in order: the candidates for a misspelt key.
  private var asked: [String] = []
  private var wasAsked: Set<String> = []

  /// Takes a mapping, or null as an empty mapping; any other node is recorded as an error.
  ///
  /// - Parameter example: A correct value, for the message about another one.
  public init(_ node: ConfigNode, path: String, problems: Problems, resolver: Resolver, example: String? = nil) {
    self.path = path
    self.position = node.position
    self.problems = problems
    self.resolver = resolver
    if case .mapping(let entries) = node.content {
      isBroken = false
      self.entries = entries
      // The YAML reader refuses duplicate keys; in a node made by hand the first one counts.
      index = Dictionary(entries.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    } else {
      isBroken = !node.isNull
      entries = []
      index = [:]
      if isBroken {
        let name = path.isEmpty ? "the configuration" : "'\(path)'"
        let hint = example.map { ", like \($0)" } ?? " (key: value)"
        problems.error("\(name) must be a mapping\(hint), not \(node.kind)", at: node.position)
      }
    }
  }

  /// Returns whether the key is written, whatever its value.
  public func contains(_ key: String) -> Bool {
    ask(key)
    return index[key] != nil
  }

  /// Returns the value as it was written, nil when the key is absent; counts as read.
  public func node(_ key: String) -> ConfigNode? {
    ask(key)
    guard let at = index[key] else { return nil }
    read.insert(key)
    return entries[at].value
  }

  /// The keys with their values, in the order of the file; none counts as read.
  public var all: [ConfigNode.Entry] { entries }

  /// Returns the position of the key's value, or of the mapping when the key is absent.
  public func position(of key: String) -> SourcePosition { index[key].map { entries[$0].value.position } ?? position }

  /// Records an error at the key's value, or at the mapping.
  public func error(_ message: String, at key: String? = nil) {
    problems.error(message, at: key.map { position(of: $0) } ?? position)
  }

  /// Records that a required key is absent.
  func missing(_ key: String) {
    if !isBroken { problems.error("'\(key)' is missing\(place); it has no default", at: position) }
  }

  /// Records a warning at the key's value, or at the mapping.
  public func warning(_ message: String, at key: String? = nil) {
    problems.warning(message, at: key.map { position(of: $0) } ?? position)
  }

  /// Counts the keys as read without reading them, because other code reads them.
  public func ignore(_ keys: [String]) {
    for key in keys {
      ask(key)
      read.insert(key)
    }
  }

  /// Whether the mapping has a key that was not read.
  public var hasUnread: Bool { entries.contains { !read.contains($0.key) } }

  /// Records an error for every key that was not read.
  ///
  /// - Parameters:
  ///   - knownElsewhere: Further candidates for a misspelt key.
  ///   - misplaced: Keys that belong to other mappings, each with a clause that says where it belongs.
  public func finish(knownElsewhere: [String] = [], misplaced: [String: String] = [:]) {
    for entry in entries where !read.contains(entry.key) && !problems.isFull {
      read.insert(entry.key)
      let hint =
        misplaced[entry.key].map { "; \($0)" } ?? Spelling.hint(for: entry.key, among: asked + knownElsewhere)
      problems.error("unknown key '\(Spelling.printable(entry.key))'\(place)\(hint)", at: entry.keyPosition)
    }
  }

  /// ` in routes[2]`, or empty at the top level.
  var place: String { path.isEmpty ? "" : " in \(path)" }

  func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func ask(_ key: String) {
    if wasAsked.insert(key).inserted { asked.append(key) }
  }
}

extension Settings {
  /// The problems of one configuration, over all its mappings.
  public final class Problems {
    /// The largest number of problems; a last one says that there are more. A hostile file must not fill the memory or the screen.
    public static let limit = 200

    public private(set) var all: [ConfigError] = []
    public private(set) var errorCount = 0
    public var hasErrors: Bool { errorCount > 0 }

    public init() {}

    /// Whether further problems are dropped.
    public var isFull: Bool { all.count > Problems.limit }

    /// Records a problem. The same problem is recorded once, however often its key is read.
    public func add(_ problem: ConfigError) {
      if all.contains(problem) { return }
      if problem.severity == .error { errorCount += 1 }
      if all.count < Problems.limit {
        all.append(problem)
      } else if all.count == Problems.limit {
        all.append(ConfigError("too many problems; repair the ones above first", at: problem.position))
        errorCount += 1
      }
    }

    public func error(_ message: String, at position: SourcePosition) { add(ConfigError(message, at: position)) }

    public func warning(_ message: String, at position: SourcePosition) {
      add(ConfigError(message, at: position, severity: .warning))
    }
  }

  /// Resolves `{env: NAME}` and `{file: path}`.
  public struct Resolver: Sendable {
    /// Returns the value of an environment variable; nil when it is not set.
    public let environment: @Sendable (String) -> String?
    /// Returns a file's text, or the reason why it cannot be read.
    public let file: @Sendable (String) -> Result<String, Missing>

    /// The reason why a file cannot be read.
    public struct Missing: Error, Sendable {
      /// The end of a sentence that begins with the file: "does not exist".
      public let reason: String
      public init(_ reason: String) { self.reason = reason }
    }

    public init(
      environment: @escaping @Sendable (String) -> String?,
      file: @escaping @Sendable (String) -> Result<String, Missing>
    ) {
      self.environment = environment
      self.file = file
    }
  }
}
