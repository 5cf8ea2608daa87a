import AdapterAPI

/// The options of the log that a reload may change.
struct LogOptions: Sendable {
  /// Lines below this level are not written.
  var level = LogLevel.info
  var format = LogLine.Format.json
  /// One line is written for each request.
  var access = true
  /// One line is written for each write, with its points and values.
  var writes = true
}
