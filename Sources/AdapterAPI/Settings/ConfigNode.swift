/// A piece of configuration that knows where it stands.
public struct ConfigNode: Sendable {
  public enum Content: Sendable {
    /// The text, and whether it was written plain (without quotes): only plain scalars can be numbers, flags or null.
    case scalar(String, plain: Bool)
    case sequence([ConfigNode])
    case mapping([Entry])
  }

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

  /// Nothing was written (`key:`), or one of YAML's words for nothing.
  public var isNull: Bool {
    guard case .scalar(let text, plain: true) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// What it is, for a sentence: "a list".
  public var kind: String {
    switch content {
    case .scalar: isNull ? "nothing" : "a single value"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A spot in a configuration file; line and column count from 1, columns in characters.
public struct SourcePosition: Sendable, Hashable, Comparable {
  public let line: Int
  public let column: Int

  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  public static func < (a: SourcePosition, b: SourcePosition) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// One thing that is wrong with a configuration: where, what, and what to do.
public struct ConfigError: Error, Sendable {
  public enum Severity: String, Sendable { case error, warning }

  public let severity: Severity
  public let position: SourcePosition
  public let message: String
  /// A warning all the same stops `run` and a reload: the setting is right, and going on without it would be unsafe.
  public let stopsRun: Bool

  public init(
    _ message: String, at position: SourcePosition, severity: Severity = .error, stopsRun: Bool? = nil
  ) {
    self.message = message
    self.position = position
    self.severity = severity
    self.stopsRun = stopsRun ?? (severity == .error)
  }
}
