import AdapterAPI

/// Reads `.env.local` exactly as dotenv 17 for Node does, the reader of the servers that use the same file.
///
/// dotenv finds each assignment with one regular expression:
///
///     (?:^|^)\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
///     (\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?(?:$|$)
///
/// White space and line ends are those of JavaScript. The functions below are the parts of that expression, in its order. What other
/// readers of such files (Docker, systemd, a shell) take differently gets a warning.
struct EnvironmentFile {
  struct Note: Equatable {
    /// The variable; nil for a line that is no assignment.
    let name: String?
    let line: Int
    let column: Int
    let message: String
  }

  /// Of several assignments to one name the last counts.
  private(set) var variables: [String: String] = [:]
  private(set) var notes: [Note] = []

  private let text: [Unicode.Scalar]
  /// The line and the index that `line(at:)` has counted up to.
  private var counted = (line: 1, index: 0)

  init(_ content: String) {
    // CR LF and a lone CR are line feeds.
    var text: [Unicode.Scalar] = []
    text.reserveCapacity(content.utf8.count)
    var wasReturn = false
    for scalar in content.unicodeScalars {
      if scalar != "\n" || !wasReturn { text.append(scalar == "\r" ? "\n" : scalar) }
      wasReturn = scalar == "\r"
    }
    self.text = text
    read()
  }

  private mutating func read() {
    var start = 0
    var rest = 0
    while start < text.count {
      let first = end(of: Self.isSpace, from: start)
      guard let found = assignment(at: start, first) else {
        // Every earlier line start leads to the same place.
        start = first
        while start < text.count, !Self.isBreak(text[start]) { start += 1 }
        start += 1
        continue
      }
      noteOthers(from: rest, to: start)
      take(found, at: first)
      start = found.end
      rest = found.end
    }
    noteOthers(from: rest, to: text.count)
  }

  // MARK: The expression

  private struct Assignment {
    let key: Range<Int>
    /// `=` or `:`.
    let separator: Unicode.Scalar
    /// With the white space around it.
    let value: Range<Int>
    let quote: Unicode.Scalar?
    let end: Int
  }

  /// - Parameter first: the first character from `start` on that is no white space.
  private func assignment(at start: Int, _ first: Int) -> Assignment? {
    let word = first + 6
    if text[first...].starts(with: "export".unicodeScalars) {
      let name = end(of: Self.isSpace, from: word)
      if name > word, let found = assignment(key: name) { return found }
    }
    return assignment(key: first)
  }

  private func assignment(key start: Int) -> Assignment? {
    let keyEnd = end(of: Self.isKey, from: start)
    guard keyEnd > start else { return nil }
    let equals = end(of: Self.isSpace, from: keyEnd)
    let valueStart: Int
    if equals < text.count, text[equals] == "=" {
      valueStart = equals + 1
    } else if keyEnd + 1 < text.count, text[keyEnd] == ":", Self.isSpace(text[keyEnd + 1]) {
      valueStart = keyEnd + 2
    } else {
      return nil
    }
    let separator: Unicode.Scalar = text[valueStart - 1] == "=" ? "=" : ":"
    func made(_ value: Range<Int>, _ quote: Unicode.Scalar?, _ end: Int) -> Assignment {
      Assignment(key: start..<keyEnd, separator: separator, value: value, quote: quote, end: end)
    }
    for quote: Unicode.Scalar in ["'", "\"", "`"] {
      for close in closings(quote, from: valueStart) {
        if let end = lineEnd(after: close) { return made(valueStart..<close, quote, end) }
      }
    }
    let plain = end(of: { $0 != "#" && $0 != "\n" }, from: valueStart)
    return lineEnd(after: plain).map { made(valueStart..<plain, nil, $0) }
  }

  /// Returns the places where a quoted text may end, in the order in which the expression tries them: at the first quote without a
  /// backslash, then at the quotes with one, the last first.
  private func closings(_ quote: Unicode.Scalar, from start: Int) -> [Int] {
    let open = end(of: Self.isSpace, from: start)
    guard open < text.count, text[open] == quote else { return [] }
    var escaped: [Int] = []
    var at = open + 1
    while at < text.count, text[at] != quote {
      if text[at] == "\\", at + 1 < text.count, text[at + 1] == quote {
        at += 1
        escaped.append(at + 1)
      }
      at += 1
    }
    return (at < text.count ? [at + 1] : []) + escaped.reversed()
  }

  /// Returns the end of the line after white space and a comment; nil when something else follows.
  private func lineEnd(after start: Int) -> Int? {
    let space = end(of: Self.isSpace, from: start)
    if space == text.count { return space }
    if text[space] == "#" { return end(of: { !Self.isBreak($0) }, from: space) }
    return (start..<space).last { Self.isBreak(text[$0]) }
  }

  private func end(of matches: (Unicode.Scalar) -> Bool, from start: Int) -> Int {
    var at = start
    while at < text.count, matches(text[at]) { at += 1 }
    return at
  }

  // MARK: The value

  /// - Parameter start: the first character of the assignment, with `export`.
  private mutating func take(_ found: Assignment, at start: Int) {
    let key = String(String.UnicodeScalarView(text[found.key]))
    let raw = Self.trim(text[found.value])
    let value = Self.withoutQuotes(Array(raw))
    variables[key] = String(raw.first == "\"" ? Self.withLineBreaks(value) : value)
    guard let difference = difference(found, Array(raw)) else { return }
    let (line, column) = position(of: start)
    notes.append(
      Note(name: key, line: line, column: column, message: "the value of \(Spelling.printable(key)) \(difference)"))
  }

  /// Removes quotes around the text, or around lines of it: `value.replace(/^(['"`])([\s\S]*)\1$/mg, '$2')`.
  private static func withoutQuotes(_ text: [Unicode.Scalar]) -> String.UnicodeScalarView {
    var result = String.UnicodeScalarView()
    var at = 0
    while at < text.count {
      if at == 0 || isBreak(text[at - 1]), "'\"`".unicodeScalars.contains(text[at]),
        let close = text.indices.last(where: { index in
          index > at && text[index] == text[at] && (index + 1 == text.count || isBreak(text[index + 1]))
        })
      {
        result.append(contentsOf: text[(at + 1)..<close])
        at = close + 1
      } else {
        result.append(text[at])
        at += 1
      }
    }
    return result
  }

  /// Replaces `\n` and `\r`, the only escapes.
  private static func withLineBreaks(_ text: String.UnicodeScalarView) -> String.UnicodeScalarView {
    var result = String.UnicodeScalarView()
    var wasBackslash = false
    for scalar in text {
      if wasBackslash, scalar == "n" || scalar == "r" {
        result.removeLast()
        result.append(scalar == "n" ? "\n" : "\r")
        wasBackslash = false
      } else {
        result.append(scalar)
        wasBackslash = scalar == "\\"
      }
    }
    return result
  }

  private static func trim(_ text: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
    var text = text.drop(while: isSpace)
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }

  // MARK: Notes

  /// Returns what other readers take differently, as the rest of a sentence about the value; nil when they agree.
  private func difference(_ found: Assignment, _ raw: [Unicode.Scalar]) -> String? {
    let elsewhere = "for other readers of this file (Docker, systemd, a shell)"
    let inner = raw.dropFirst().dropLast()
    func has(_ characters: String) -> Bool { raw.contains { characters.unicodeScalars.contains($0) } }
    if raw.contains("\u{fffd}") { return "is not UTF-8; save the file as UTF-8" }
    if found.separator == ":" { return "is assigned with ':', which only this reader understands; write '='" }
    let end = found.value.upperBound
    let isCut = end < text.count && text[end] == "#"
    switch found.quote {
    case _ where isCut:
      return "ends before the '#' here, but not \(elsewhere); quote the value, or move the comment to a line of its own"
    case _ where raw.contains(where: Self.isBreak):
      return "has several lines here, but not \(elsewhere); put it in a file of its own, and write {file: path} in the "
        + "configuration"
    case "`": return "is in backticks, which are a part of it \(elsewhere); quote the value with ' instead"
    case "\"" where inner.contains { "\\$`".unicodeScalars.contains($0) }:
      return
        "has a backslash, '$' or backtick, which is an escape or a variable \(elsewhere); quote the value with ' instead"
    case "'" where inner.contains("'"):
      return "has a quote inside, which ends it \(elsewhere); quote the value with \" instead"
    case nil where raw.first.map { "'\"`".unicodeScalars.contains($0) } == true:
      return "has no closing quote at its end, so its first quote is a part of it; quote the whole value"
    case nil where has("\\$`'\"&;|<>()"):
      return "has a character that is special \(elsewhere); quote the value with '"
    case nil where raw.contains(where: Self.isSpace):
      return "has white space inside, where it ends \(elsewhere); quote the value"
    case nil where found.value.count > raw.count && !raw.isEmpty:
      return "has white space around it, which is a part of it \(elsewhere); remove it"
    default: return nil
    }
  }

  /// Notes lines that are no assignment, no comment, and not blank.
  private mutating func noteOthers(from start: Int, to limit: Int) {
    var at = start
    while at < limit {
      let first = min(end(of: Self.isSpace, from: at), limit)
      let end = min(self.end(of: { !Self.isBreak($0) }, from: first), limit)
      if first < end, text[first] != "#" {
        let (line, column) = position(of: first)
        notes.append(Note(name: nil, line: line, column: column, message: "this line is not KEY=VALUE and is ignored"))
      }
      at = end + 1
    }
  }

  private mutating func position(of index: Int) -> (line: Int, column: Int) {
    var start = counted.index
    for at in counted.index..<index where text[at] == "\n" {
      counted.line += 1
      start = at + 1
    }
    counted.index = start
    return (counted.line, index - start + 1)
  }

  // MARK: JavaScript's character classes

  private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\n" || scalar == "\r" || scalar == "\u{2028}" || scalar == "\u{2029}"
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x20, 0xFEFF, 0x2028, 0x2029: true
    default: scalar.properties.generalCategory == .spaceSeparator
    }
  }

  private static func isKey(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && (UInt8(scalar.value).isWordByte || scalar == "." || scalar == "-")
  }
}
