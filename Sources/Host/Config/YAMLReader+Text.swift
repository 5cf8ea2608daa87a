import AdapterAPI

// The checks before parsing: UTF-8, no control characters, a bounded size.

extension YAMLReader {
  static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Returns the first problem that keeps the bytes from being text.
  static func checkText(_ bytes: [UInt8]) -> ConfigError? {
    let start = SourcePosition(line: 1, column: 1)
    if bytes.count > sizeMax { return ConfigError("the configuration is larger than 1 MiB", at: start) }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      return ConfigError("the configuration is UTF-16; save it as UTF-8", at: start)
    }
    var iterator = (bytes.starts(with: byteOrderMark) ? bytes[byteOrderMark.count...] : bytes[...]).makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var lines = LineCounter()
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .emptyInput: return nil
      case .error: return ConfigError("the configuration is not valid UTF-8 here; save it as UTF-8", at: lines.position)
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        if let reason = refusal(of: scalar) { return ConfigError(reason, at: lines.position) }
        lines.advance(over: scalar)
      }
    }
  }

  /// Returns why a configuration may not have the character: it is outside of `c-printable` (YAML 1.2.2 §5.1), or it ends a line
  /// for some readers only. libyaml ends a comment at U+0085, U+2028 and U+2029, and an editor shows the rest of the line as part of
  /// the comment.
  private static func refusal(of scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0: return "the configuration has a NUL byte here; remove it"
    case 0x09, 0x0A, 0x0D: return nil
    case 0x85, 0x2028, 0x2029:
      let digits = String(scalar.value, radix: 16)
      return
        "the configuration has the character \(Spelling.name(of: scalar)) here, which ends a line for some programs "
        + "only; remove it, or write it as \\u\(String(repeating: "0", count: 4 - digits.count))\(digits) in double quotes"
    case 0xFEFF: return "the configuration has a byte order mark (U+FEFF) inside of the text here; remove it"
    case ..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF:
      return "the configuration has the control character \(Spelling.name(of: scalar)) here; remove it"
    default: return nil
    }
  }

  /// Splits a text into lines.
  static func lines(of bytes: [UInt8]) -> [String] {
    let text = String(decoding: bytes.prefix(sizeMax), as: UTF8.self)
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var counter = LineCounter()
    for scalar in text.unicodeScalars {
      let before = counter.position.line
      counter.advance(over: scalar)
      if counter.position.line > before {
        lines.append(String(line))
        line = String.UnicodeScalarView()
      } else if !LineCounter.isBreak(scalar), scalar != "\u{feff}" {
        line.append(scalar)
      }
    }
    lines.append(String(line))
    return lines
  }
}

/// The line and column in a text, counted as libyaml counts them where the text has no other line breaks than CR and LF.
struct LineCounter {
  private(set) var position = SourcePosition(line: 1, column: 1)
  private var afterReturn = false

  static func isBreak(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }

  mutating func advance(over scalar: Unicode.Scalar) {
    // CR LF is one break; the line ended at the CR.
    if scalar == "\n", afterReturn {
      afterReturn = false
      return
    }
    afterReturn = scalar == "\r"
    position =
      LineCounter.isBreak(scalar)
      ? SourcePosition(line: position.line + 1, column: 1)
      : SourcePosition(line: position.line, column: position.column + 1)
  }
}
