import AdapterAPI

extension ProblemPrinter {
  /// Returns the fields of a log line about a problem: the line in GNU form, and its parts. A problem of a whole file has no line.
  static func logFields(_ problem: ConfigError, file: String) -> [LogField] {
    let position = problem.position
    let place: [LogField] =
      position == .wholeFile ? [] : [("line", .int(position.line)), ("column", .int(position.column))]
    return [("problem", "\(line(problem, file: file))"), ("file", "\(problem.file ?? file)")] + place + [
      ("severity", "\(problem.severity.rawValue)")
    ]
  }
}
