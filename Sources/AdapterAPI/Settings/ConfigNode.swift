/// A node of the configuration with its position in the file.
public struct ConfigNode: Sendable {
  public enum Content: Sendable {
    /// A text, and whether it was written without quotes: only then can it be a number, a flag or null.
    case scalar(String, plain: Bool)
    case sequence([ConfigNode])
    case mapping([Entry])
  }

  /// A key of a mapping with its value.
  public struct Entry: Sendable {
    public let key: String
    public let keyPosition: SourcePosition
    public let value: ConfigNode

    public init(key: String, keyPosition: SourcePosition, value: ConfigNode) {
      self.key = key
      self.keyPosition = keyPosition
      self.value = value
    }
  }

  public let content: Content
  public let position: SourcePosition

  public init(_ content: Content, at position: SourcePosition) {
    self.content = content
    self.position = position
  }

  /// Whether there is no value (`key:`), or one of YAML's words for null.
  public var isNull: Bool {
    guard case .scalar(let text, plain: true) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// The kind of node, for a message: "a list".
  public var kind: String {
    switch content {
    case .scalar: isNull ? "nothing" : "a single value"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A position in a configuration file.
public struct SourcePosition: Sendable, Hashable, Comparable {
  /// From 1; 0 for the file as a whole.
  public let line: Int
  /// From 1, in characters.
  public let column: Int

  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// The position of a problem that concerns a file as a whole. Messages show none.
  public static let wholeFile = SourcePosition(line: 0, column: 0)

  public static func < (a: SourcePosition, b: SourcePosition) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// One problem of a configuration.
public struct ConfigError: Error, Sendable, Equatable {
  public enum Severity: String, Sendable { case error, warning }

  public let severity: Severity
  /// The position in `file`.
  public let position: SourcePosition
  /// The file that the problem is in, if it is another one than the configuration.
  public let file: String?
  /// Names the key, the rule and the remedy; without a capital and a full stop, because the position precedes it.
  public let message: String

  public init(
    _ message: String, at position: SourcePosition, in file: String? = nil, severity: Severity = .error
  ) {
    self.message = message
    self.position = position
    self.file = file
    self.severity = severity
  }
}
