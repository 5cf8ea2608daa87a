/// The facilities that the host lends one adapter instance. An adapter uses nothing global and reads no environment.
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

  /// Returns a client for an upstream, with the limits and timeouts of the instance's settings. Opens nothing. Call it in `init`
  /// only: the host releases the clients with the instance.
  public func client(for baseURL: BaseURL) -> any HTTPClient { makeClient(baseURL) }
}

/// The destination of an adapter's log lines. May be used on any thread, and never blocks.
public protocol AdapterLog: Sendable {
  /// Writes one line: a constant message, and the variable parts as keys and values. A value is never a secret.
  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)])
}

/// The importance of a log line.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case debug, info, warning, error

  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
