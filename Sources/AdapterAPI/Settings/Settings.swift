/// Reads one mapping of the configuration, key by key, with types.
///
/// A problem is recorded with its position, and a placeholder is returned, so that one run finds every problem; whoever
/// built the `Settings` throws the result away when problems were recorded. A key that nobody read is an error in the
/// end (`finish`), with a suggestion. Not `Sendable`: it lives as long as the reading.
///
/// Any scalar may be written as `{env: NAME}` or `{file: path}`. A scalar is read by the type its key expects, never
/// guessed: `on` is no flag, `0123` is no octal number, `12:30` is no sexagesimal one.
public final class Settings {
  /// Where this mapping stands among the others: `adapters.main.settings`, `routes[2]`; empty at the top level.
  public let path: String
  public let position: SourcePosition
  /// Where problems go; shared by all mappings of one configuration.
  public let problems: Problems
  public let resolver: Resolver
  /// Something else stood where the mapping was expected, and that has been reported: what is missing in it is no news.
  private let isBroken: Bool
  private let entries: [ConfigNode.Entry]
  private let index: [String: Int]
  private var read: Set<String> = []
  /// Every key that was asked for, in order: what a misspelt key may have meant.
  private var asked: [String] = []
  private var wasAsked: Set<String> = []

  /// A mapping, or nothing (`null`, which is an empty mapping); anything else is recorded as an error.
  ///
  /// - Parameter example: How it is written; said to who wrote something else.
  public init(_ node: ConfigNode, path: String, problems: Problems, resolver: Resolver, example: String? = nil) {
    self.path = path
    self.position = node.position
    self.problems = problems
    self.resolver = resolver
    if case .mapping(let entries) = node.content {
      isBroken = false
      self.entries = entries
      // The reader refuses duplicate keys; a node made by hand may have them, and the first counts.
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

  /// The key is written, whatever its value.
  public func contains(_ key: String) -> Bool {
    ask(key)
    return index[key] != nil
  }

  /// The value as it was written; counts as read.
  public func node(_ key: String) -> ConfigNode? {
    ask(key)
    guard let at = index[key] else { return nil }
    read.insert(key)
    return entries[at].value
  }

  /// The keys in the order of the file, with their values; nothing counts as read.
  public var all: [ConfigNode.Entry] { entries }

  /// Where the key's value stands; where the mapping begins when there is none.
  public func position(of key: String) -> SourcePosition { index[key].map { entries[$0].value.position } ?? position }

  /// Records an error at the key's value, or at the beginning of the mapping.
  public func error(_ message: String, at key: String? = nil) {
    problems.error(message, at: key.map { position(of: $0) } ?? position)
  }

  /// Records that a required key is not there.
  func missing(_ key: String) {
    if !isBroken { problems.error("'\(key)' is missing\(place); it has no default", at: position) }
  }

  public func warning(_ message: String, at key: String? = nil) {
    problems.warning(message, at: key.map { position(of: $0) } ?? position)
  }

  /// Takes the keys as read without looking at them: somebody else reads them.
  public func ignore(_ keys: [String]) {
    for key in keys {
      ask(key)
      read.insert(key)
    }
  }

  /// Records an error for every key that nobody read.
  ///
  /// - Parameters:
  ///   - knownElsewhere: further keys that a misspelt one may have meant.
  ///   - misplaced: keys of other mappings that are looked for in this one, each with a clause that says where it belongs.
  public func finish(knownElsewhere: [String] = [], misplaced: [String: String] = [:]) {
    for entry in entries where !read.contains(entry.key) && !problems.isFull {
      read.insert(entry.key)
      let hint =
        misplaced[entry.key].map { "; \($0)" } ?? Spelling.hint(for: entry.key, among: asked + knownElsewhere)
      problems.error("unknown key '\(Spelling.printable(entry.key))'\(place)\(hint)", at: entry.keyPosition)
    }
  }

  /// ` in routes[2]`, or nothing at the top level.
  var place: String { path.isEmpty ? "" : " in \(path)" }

  func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func ask(_ key: String) {
    if wasAsked.insert(key).inserted { asked.append(key) }
  }
}

extension Settings {
  /// Gathers the problems of one configuration, over all its mappings.
  public final class Problems {
    /// Beyond this many only one last sentence is recorded: a hostile file must not fill the memory or the screen.
    public static let limit = 200

    public private(set) var all: [ConfigError] = []
    public private(set) var errorCount = 0
    public var hasErrors: Bool { errorCount > 0 }

    public init() {}

    public var isFull: Bool { all.count > Problems.limit }

    public func add(_ problem: ConfigError) {
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

  /// Finds what `{env: NAME}` and `{file: path}` stand for; nil, or a sentence why not.
  public struct Resolver: Sendable {
    public let environment: @Sendable (String) -> String?
    public let file: @Sendable (String) -> Result<String, Missing>

    public struct Missing: Error, Sendable {
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
