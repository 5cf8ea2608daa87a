import AdapterAPI

/// Prints the problems of a configuration: lines in GNU form for people and editors, or JSON for programs.
enum ProblemPrinter {
  /// Returns one line per problem, sorted by position, and a summary line.
  ///
  /// - Parameter carets: whether the source line and a caret follow each problem; for a terminal.
  static func text(_ loaded: LoadedConfiguration, carets: Bool) -> String {
    var text = ""
    for problem in loaded.problems {
      text += line(problem, file: loaded.file) + "\n"
      if carets, problem.file == nil, loaded.source.indices.contains(problem.position.line - 1) {
        text += SourceExcerpt(loaded.source[problem.position.line - 1], column: problem.position.column).text
      }
    }
    return text + summary(loaded) + "\n"
  }

  /// Returns `gateway.yaml:14:7: error: …`, or `gateway.yaml: error: …` for a problem of the whole file.
  static func line(_ problem: ConfigError, file: String) -> String {
    let position = problem.position
    let place = position == .wholeFile ? "" : ":\(position.line):\(position.column)"
    return "\(problem.file ?? file)\(place): \(problem.severity.rawValue): \(problem.message)"
  }

  /// Returns `2 errors, 1 warning`.
  static func summary(_ loaded: LoadedConfiguration) -> String {
    func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
    if loaded.problems.isEmpty { return "no problems" }
    if loaded.warningCount == 0 { return count(loaded.errorCount, "error") }
    return count(loaded.errorCount, "error") + ", " + count(loaded.warningCount, "warning")
  }

  /// Writes the members `"problems": [{"file", "line", "column", "severity", "message"}], "errors": n, "warnings": n` of the
  /// object that is open in `writer`. Line and column are null for a problem of the whole file.
  static func write(_ loaded: LoadedConfiguration, to writer: inout JSONWriter) {
    writer.member("problems", arrayOf: loaded.problems) { writer, problem in
      writer.object {
        let position = problem.position == .wholeFile ? nil : problem.position
        $0.member("file", problem.file ?? loaded.file)
        $0.member("line", position?.line)
        $0.member("column", position?.column)
        $0.member("severity", problem.severity.rawValue)
        $0.member("message", problem.message)
      }
    }
    writer.member("errors", loaded.errorCount)
    writer.member("warnings", loaded.warningCount)
  }
}

/// A line of the configuration with a caret below the column. A value that may be a secret is replaced by `…`.
struct SourceExcerpt {
  /// The source line and the line with the caret.
  let text: String

  private static let lead = 60
  private static let width = 110
  /// Keys whose values are not shown, as a secret may stand where `{env: NAME}` is expected.
  private static let sensitive = [
    "secret", "password", "token", "app_id", "appid", "api_key", "url", "base_url", "endpoint",
  ]

  init(_ line: String, column: Int) {
    var scalars = Array(line.unicodeScalars.prefix(YAMLReader.sizeMax))
    var caret = max(0, column - 1)
    if let cut = SourceExcerpt.secretStart(scalars) {
      scalars = scalars[..<cut] + ["…"]
      caret = min(caret, cut)
    }
    let start = max(0, min(caret, scalars.count) - SourceExcerpt.lead)
    let shown = scalars[start..<min(scalars.count, start + SourceExcerpt.width)]
    var first = String.UnicodeScalarView()
    var second = String.UnicodeScalarView()
    for (offset, scalar) in shown.enumerated() {
      first.append(scalar == "\t" || Spelling.isPrintable(scalar) ? scalar : "?")
      if start + offset < caret { second.append(scalar == "\t" ? "\t" : " ") }
    }
    let marks = start > 0 ? ("… ", "  ") : ("", "")
    text = "  \(marks.0)\(String(first))\n  \(marks.1)\(String(second))^\n"
  }

  /// Returns the index of the first value that may be a secret and is not a reference. The line is cut there.
  private static func secretStart(_ line: [Unicode.Scalar]) -> Int? {
    var word = String.UnicodeScalarView()
    var hasEnded = false
    for (index, scalar) in line.enumerated() {
      if scalar == ":" {
        if isSensitive(String(word)) {
          let value = line[(index + 1)...].firstIndex { $0 != " " && $0 != "\t" }
          if let value, !isReference(line[value...]) { return value }
        }
        word.removeAll()
      } else if scalar == "_" || scalar.properties.isAlphabetic {
        if hasEnded { word.removeAll() }
        if word.count < 64 { word.append(scalar) }
        hasEnded = false
      } else if scalar == " " || scalar == "\t" || scalar == "\"" || scalar == "'" {
        // A closing quote and white space may stand between a key and its colon.
        hasEnded = true
      } else {
        word.removeAll()
      }
    }
    return nil
  }

  /// Whether the value is `{env: NAME}` or `{file: path}`. After `env:`, text that is not a variable name may be the secret.
  private static func isReference(_ value: ArraySlice<Unicode.Scalar>) -> Bool {
    guard value.first == "{", let end = value.firstIndex(of: "}") else { return false }
    let isSpace: (Unicode.Scalar) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\"" || $0 == "'" }
    let parts = value[..<end].dropFirst().split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return false }
    switch String(String.UnicodeScalarView(parts[0].filter { !isSpace($0) })) {
    case "file": return true
    case "env": return parts[1].allSatisfy { isSpace($0) || $0 == "_" || ("0"..."9").contains($0) || isLetter($0) }
    default: return false
    }
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
  }

  private static func isSensitive(_ key: String) -> Bool {
    let key = key.lowercased()
    return !key.isEmpty
      && (["secret", "password", "token", "url"].contains { key.hasSuffix($0) } || sensitive.contains(key)
        || Spelling.nearest(to: key, among: sensitive) != nil)
  }
}
