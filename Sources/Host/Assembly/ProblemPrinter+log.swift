import AdapterAPI

extension ProblemPrinter {
  /// Returns the fields of a log line about a problem: the line in GNU form, and its parts.
  static func logFields(_ problem: ConfigError, file: String) -> [LogField] {
    [
      ("problem", "\(line(problem, file: file))"), ("file", "\(file)"), ("line", .int(problem.position.line)),
      ("column", .int(problem.position.column)), ("severity", "\(problem.severity.rawValue)"),
    ]
  }
}
