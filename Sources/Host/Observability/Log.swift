import AdapterAPI
import Glibc
import Synchronization

/// The program's log: levels, as text for a terminal or as JSON lines, to stderr. Used on any thread.
///
/// A message is constant, and values stand in fields: lines can be counted by message, and no value can change their form.
/// Callers never wait for the descriptor (`LogQueue`). A reload may change the options at any time.
final class Log: AdapterLog {
  typealias Format = LogLine.Format

  private let threshold: Atomic<Int>
  private let isAccessOn: Atomic<Bool>
  private let isWritesOn: Atomic<Bool>
  private let shape: Shape
  private let queue: LogQueue

  /// Shared with the queue, whose line about dropped lines has the same format.
  private final class Shape: Sendable {
    let isJSON: Atomic<Bool>
    init(_ format: Format) { isJSON = Atomic(format == .json) }
    var format: Format { isJSON.load(ordering: .relaxed) ? .json : .text }
  }

  init(
    level: LogLevel = .info, format: Format = .json, access: Bool = true, writes: Bool = true, descriptor: Int32 = 2,
    capacity: Int = 1 << 20
  ) {
    threshold = Atomic(level.rawValue)
    isAccessOn = Atomic(access)
    isWritesOn = Atomic(writes)
    let shape = Shape(format)
    self.shape = shape
    queue = LogQueue(descriptor: descriptor, capacity: capacity) { dropped in
      var line = LogLine(
        shape.format, .warning, "log lines were dropped because the log was not read fast enough",
        at: System.wall())
      line.add("dropped", .int(dropped))
      return line.ended()
    }
  }

  deinit { queue.stop() }

  /// Changes the options, for lines from now on.
  func configure(_ options: LogOptions) {
    threshold.store(options.level.rawValue, ordering: .relaxed)
    shape.isJSON.store(options.format == .json, ordering: .relaxed)
    isAccessOn.store(options.access, ordering: .relaxed)
    isWritesOn.store(options.writes, ordering: .relaxed)
  }

  /// Access log entries are written. A request makes its entry only if so.
  var wantsAccess: Bool { isAccessOn.load(ordering: .relaxed) && isOn(.info) }

  /// Lines about writes have their points and values. A write keeps its body for the line only if so.
  var wantsWrites: Bool { isWritesOn.load(ordering: .relaxed) && isOn(.warning) }

  /// Returns whether lines of this level are written.
  func isOn(_ level: LogLevel) -> Bool { level.rawValue >= threshold.load(ordering: .relaxed) }

  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
    log(level, message, bound: nil, fields)
  }

  /// Writes a line. The fields are evaluated only if the level is on.
  func write(_ level: LogLevel, _ message: StaticString, _ fields: () -> [LogField]) {
    guard isOn(level) else { return }
    var line = LogLine(shape.format, level, message, at: System.wall())
    for field in fields() { line.add(field.key, field.value) }
    queue.append(line.ended())
  }

  func debug(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) { write(.debug, message, fields) }
  func info(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) { write(.info, message, fields) }
  func warning(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
    write(.warning, message, fields)
  }
  func error(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) { write(.error, message, fields) }

  /// Writes the access log entry of a request; does nothing with `log.access: false` or a level above info.
  func access(_ record: AccessRecord) {
    guard isAccessOn.load(ordering: .relaxed), isOn(.info) else { return }
    var line = LogLine(shape.format, .info, "request", at: System.wall())
    record.add(to: &line)
    queue.append(line.ended())
  }

  /// Returns the log of one adapter instance, whose lines all name it.
  ///
  /// - Parameter address: the address of its upstream, which all lines name too; nil to leave it out.
  func forAdapter(_ name: String, address: String? = nil) -> any AdapterLog {
    BoundLog(log: self, adapter: name, address: address)
  }

  /// The number of lines lost since the start.
  var lost: Int { queue.lost }

  /// Waits until the lines so far are written, at most `timeout`, because a reader that has stopped must not delay the exit.
  ///
  /// - Returns: false after the timeout.
  @discardableResult
  func flush(timeout: Duration = .seconds(2)) -> Bool { queue.flush(timeout: timeout) }

  private func log(
    _ level: LogLevel, _ message: StaticString, bound adapter: String?, address: String? = nil,
    _ fields: [(key: StaticString, value: String)]
  ) {
    guard isOn(level) else { return }
    var line = LogLine(shape.format, level, message, at: System.wall())
    if let adapter { line.add("adapter", adapter) }
    if let address { line.add("address", address) }
    for field in fields { line.add(field.key, field.value) }
    queue.append(line.ended())
  }

  private struct BoundLog: AdapterLog {
    let log: Log
    let adapter: String
    let address: String?

    func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
      log.log(level, message, bound: adapter, address: address, fields)
    }
  }
}
