/// What the host lends one adapter instance. Nothing global, no environment reads.
public struct AdapterContext: Sendable {
  /// The instance's name under `adapters:`.
  public let name: String
  public let clock: any GatewayClock
  public let log: any AdapterLog
  private let makeClient: @Sendable (BaseURL) -> any HTTPClient

  public init(
    name: String, clock: any GatewayClock, log: any AdapterLog,
    makeClient: @escaping @Sendable (BaseURL) -> any HTTPClient
  ) {
    self.name = name
    self.clock = clock
    self.log = log
    self.makeClient = makeClient
  }

  /// A client for that upstream, with the limits and timeouts that the instance's settings give. Opens nothing.
  public func client(for baseURL: BaseURL) -> any HTTPClient { makeClient(baseURL) }
}

/// Where an adapter's log lines go: a constant message, and what varies as keys and values. Never a secret.
public protocol AdapterLog: Sendable {
  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)])
}

public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case debug, info, warning, error

  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
