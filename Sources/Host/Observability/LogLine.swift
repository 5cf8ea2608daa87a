import AdapterAPI

/// A value in a log line. Secrets need no case: interpolating a `Secret` prints its fingerprint.
enum LogValue: Sendable, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
  case string(String)
  /// Text from the network, which may not be UTF-8, cut after `limit` bytes.
  case bytes([UInt8], limit: Int)
  case int(Int)
  /// Milliseconds with three decimals, as `1.234`.
  case milliseconds(nanoseconds: Int64)
  case bool(Bool)

  init(stringLiteral value: String) { self = .string(value) }
  init(integerLiteral value: Int) { self = .int(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
}

typealias LogField = (key: StaticString, value: LogValue)

/// One line as it is written, including its line feed: a JSON object, or `key=value` text for a terminal.
struct LogLine {
  enum Format: Sendable { case text, json }

  /// The number of bytes after which a value is cut, so that no caller can fill the log with one line.
  static let valueLimit = 1024

  private(set) var bytes: [UInt8] = []
  private let format: Format

  init(_ format: Format, _ level: LogLevel, _ message: StaticString, at milliseconds: Int64) {
    self.format = format
    bytes.reserveCapacity(256)
    switch format {
    case .json:
      append("{\"time\":\"")
      Timestamp.appendRFC3339(milliseconds, to: &bytes)
      append("\",\"level\":\"")
      append(level.word)
      append("\",\"msg\":\"")
      message.withUTF8Buffer { Escaping.append($0, to: &bytes) }
      append("\"")
    case .text:
      Timestamp.appendTimeOfDay(milliseconds, to: &bytes)
      append(level.column)
      message.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
  }

  mutating func add(_ key: StaticString, _ value: LogValue) {
    append(format == .json ? ",\"" : " ")
    append(key)
    append(format == .json ? "\":" : "=")
    switch value {
    case .string(let text): addText(text)
    case .bytes(let text, let limit): text.withUnsafeBufferPointer { addText($0, limit: limit) }
    case .int(let number): bytes.append(contentsOf: String(number).utf8)
    case .milliseconds(let nanoseconds): addMilliseconds(nanoseconds)
    case .bool(let flag): append(flag ? "true" : "false")
    }
  }

  mutating func add(_ key: StaticString, _ value: String) { add(key, .string(value)) }

  mutating func end() {
    append(format == .json ? "}\n" : "\n")
  }

  private mutating func addText(_ text: String) {
    var copy = text
    copy.withUTF8 { addText($0, limit: LogLine.valueLimit) }
  }

  private mutating func addText(_ text: UnsafeBufferPointer<UInt8>, limit: Int) {
    if format == .text, text.count <= limit, Escaping.isBare(text) {
      bytes.append(contentsOf: text)
    } else {
      append("\"")
      Escaping.append(text, limit: limit, to: &bytes)
      append("\"")
    }
  }

  private mutating func addMilliseconds(_ nanoseconds: Int64) {
    let microseconds = max(nanoseconds, 0) / 1000
    bytes.append(contentsOf: String(microseconds / 1000).utf8)
    append(".")
    let rest = microseconds % 1000
    for digit in [rest / 100, rest / 10 % 10, rest % 10] { bytes.append(UInt8(truncatingIfNeeded: 48 + digit)) }
  }

  private mutating func append(_ text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }
}

extension LogLevel {
  /// The name in the configuration and in JSON lines.
  var word: StaticString {
    switch self {
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  fileprivate var column: StaticString {
    switch self {
    case .debug: " DEBUG "
    case .info: " INFO  "
    case .warning: " WARN  "
    case .error: " ERROR "
    }
  }
}
