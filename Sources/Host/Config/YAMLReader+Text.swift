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
        if scalar == "\0" { return ConfigError("the configuration has a NUL byte here; remove it", at: lines.position) }
        if isForbidden(scalar) {
          let code = String(scalar.value, radix: 16, uppercase: true)
          let name = "U+" + String(repeating: "0", count: max(0, 4 - code.count)) + code
          return ConfigError("the configuration has the control character \(name) here; remove it", at: lines.position)
        }
        lines.advance(over: scalar)
      }
    }
  }

  /// Whether the scalar is outside `c-printable` (YAML 1.2.2 §5.1).
  private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x85: false
    case ..<0x20, 0x7F..<0xA0, 0xFEFF, 0xFFFE, 0xFFFF: true
    default: false
    }
  }

  /// Splits a text into lines, at the line breaks that libyaml counts.
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

/// The line and column in a text, counted as libyaml counts them.
struct LineCounter {
  private(set) var position = SourcePosition(line: 1, column: 1)
  private var afterReturn = false

  static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\n" || scalar == "\r" || scalar == "\u{85}" || scalar == "\u{2028}" || scalar == "\u{2029}"
  }

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
