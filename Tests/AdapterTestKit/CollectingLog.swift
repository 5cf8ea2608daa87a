import AdapterAPI
import Synchronization

/// Records an adapter's log lines.
public final class CollectingLog: AdapterLog {
  private let recorded = Mutex<[String]>([])

  public init() {}

  /// Each line as `level message key=value …`.
  public var lines: [String] { recorded.withLock { $0 } }

  public func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
    let line = fields.reduce("\(level) \(message)") { "\($0) \($1.key)=\($1.value)" }
    recorded.withLock { $0.append(line) }
  }
}
