import AdapterAPI
import Synchronization

/// Keeps what an adapter logs.
public final class CollectingLog: AdapterLog {
  private let kept = Mutex<[String]>([])

  public init() {}

  /// Each line as `level message key=value …`.
  public var lines: [String] { kept.withLock { $0 } }

  public func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
    let line = fields.reduce("\(level) \(message)") { "\($0) \($1.key)=\($1.value)" }
    kept.withLock { $0.append(line) }
  }
}
