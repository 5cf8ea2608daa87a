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

  private let format: Format
  /// The line so far, in the one of the two that the format names.
  private var json = JSONWriter()
  private var text: [UInt8] = []

  init(_ format: Format, _ level: LogLevel, _ message: StaticString, at milliseconds: Int64) {
    self.format = format
    switch format {
    case .json:
      json = JSONWriter(capacity: 256)
      json.beginObject()
      json.key("time")
      var time: [UInt8] = []
      Timestamp.appendRFC3339(milliseconds, to: &time)
      json.quoted(time)
      json.member("level", level.word)
      json.member("msg", message.description)
    case .text:
      text.reserveCapacity(256)
      Timestamp.appendRFC3339(milliseconds, to: &text)
      text.append(text: level.column)
      text.append(message)
    }
  }

  mutating func add(_ key: StaticString, _ value: LogValue) {
    switch format {
    case .json:
      json.key(key.description)
      addToJSON(value)
    case .text:
      text.append(" ")
      text.append(key)
      text.append("=")
      addToText(value)
    }
  }

  mutating func add(_ key: StaticString, _ value: String) { add(key, .string(value)) }

  /// Ends the line and returns it.
  consuming func ended() -> [UInt8] {
    switch format {
    case .json:
      json.endObject()
      return json.line()
    case .text:
      text.append(UInt8(ascii: "\n"))
      return text
    }
  }

  private mutating func addToJSON(_ value: LogValue) {
    switch value {
    case .string(let string): json.string(string, limit: LogLine.valueLimit)
    case .bytes(let bytes, let limit): bytes.withUnsafeBufferPointer { json.string($0, limit: limit) }
    case .int(let number): json.integer(number)
    case .milliseconds(let nanoseconds): json.json(Self.milliseconds(nanoseconds))
    case .bool(let flag): json.flag(flag)
    }
  }

  private mutating func addToText(_ value: LogValue) {
    switch value {
    case .string(var string): string.withUTF8 { addToText($0, limit: LogLine.valueLimit) }
    case .bytes(let bytes, let limit): bytes.withUnsafeBufferPointer { addToText($0, limit: limit) }
    case .int(let number): text.append(text: String(number))
    case .milliseconds(let nanoseconds): text.append(text: Self.milliseconds(nanoseconds))
    case .bool(let flag): text.append(text: flag ? "true" : "false")
    }
  }

  /// Adds a value as it is when it needs no quotation marks, and as a JSON string otherwise.
  private mutating func addToText(_ value: UnsafeBufferPointer<UInt8>, limit: Int) {
    if value.count <= limit, Escaping.isBare(value) {
      text.append(contentsOf: value)
    } else {
      JSONWriter.append(to: &text) { $0.string(value, limit: limit) }
    }
  }

  private static func milliseconds(_ nanoseconds: Int64) -> String {
    let microseconds = max(nanoseconds, 0) / 1000
    var text = Array(String(microseconds / 1000).utf8)
    text.append(UInt8(ascii: "."))
    text.append(Int(microseconds % 1000), digits: 3)
    return String(decoding: text, as: UTF8.self)
  }
}

extension LogLevel {
  /// The name in the configuration and in JSON lines.
  var word: String {
    switch self {
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  fileprivate var column: String {
    switch self {
    case .debug: " DEBUG "
    case .info: " INFO  "
    case .warning: " WARN  "
    case .error: " ERROR "
    }
  }
}
