/// Reads `.env.local`: `KEY=VALUE` lines with `export`, quotes and comments, as development tools write them.
enum EnvironmentFile {
  /// Returns the variables and the numbers of malformed lines. Of several lines with one name the last counts.
  static func parse(_ text: String) -> (variables: [String: String], badLines: [Int]) {
    var variables: [String: String] = [:]
    var bad: [Int] = []
    let body = text.unicodeScalars.first == "\u{feff}" ? text.unicodeScalars.dropFirst() : text.unicodeScalars[...]
    let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
    for (number, scalars) in lines.enumerated() {
      let line = trim(Substring(scalars))
      if line.isEmpty || line.first == "#" { continue }
      if let (name, value) = assignment(line) { variables[name] = value } else { bad.append(number + 1) }
    }
    return (variables, bad)
  }

  private static func assignment(_ line: Substring) -> (String, String)? {
    var line = line
    if line.hasPrefix("export "), let space = line.firstIndex(of: " ") { line = trim(line[space...]) }
    guard let equals = line.firstIndex(of: "=") else { return nil }
    let name = trim(line[..<equals])
    guard let first = name.utf8.first, !first.isDigit, name.utf8.allSatisfy(\.isWordByte) else { return nil }
    let rest = trim(line[line.index(after: equals)...])
    guard let quote = rest.first, quote == "\"" || quote == "'" || quote == "`" else {
      return (String(name), String(unquoted(rest)))
    }
    return quoted(rest.dropFirst(), quote).map { (String(name), $0) }
  }

  /// Removes a comment, which begins at a `#` after white space.
  private static func unquoted(_ text: Substring) -> Substring {
    var previous: Character = " "
    for index in text.indices {
      if text[index] == "#", previous == " " || previous == "\t" { return trim(text[..<index]) }
      previous = text[index]
    }
    return text
  }

  /// Returns the text up to the closing quote; nil where there is none, or more than a comment follows. Only double quotes
  /// have escapes.
  private static func quoted(_ text: Substring, _ quote: Character) -> String? {
    var value = ""
    var index = text.startIndex
    while index < text.endIndex, text[index] != quote {
      var character = text[index]
      let next = text.index(after: index)
      if character == "\\", quote == "\"", next < text.endIndex {
        index = next
        switch text[next] {
        case "n": character = "\n"
        case "r": character = "\r"
        case "t": character = "\t"
        case "\"", "\\", "$": character = text[next]
        default:
          value.append("\\")
          character = text[next]
        }
      }
      value.append(character)
      index = text.index(after: index)
    }
    guard index < text.endIndex else { return nil }
    let rest = trim(text[text.index(after: index)...])
    return rest.isEmpty || rest.first == "#" ? value : nil
  }

  private static func trim(_ text: Substring) -> Substring {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
    var text = text.drop(while: isSpace)
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }
}
