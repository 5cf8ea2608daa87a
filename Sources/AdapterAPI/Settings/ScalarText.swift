/// Parses and writes durations, sizes, numbers and shares as a configuration has them. Decimal digits only; nil for any other text,
/// and on overflow.
public enum ScalarText {
  /// Parses `250ms`, `5s`, `10m`, `24h`, and a bare `0`.
  public static func duration(_ text: String) -> Duration? {
    if text == "0" { return .zero }
    guard let (number, unit) = split(text) else { return nil }
    let factor: Int64
    switch unit {
    case "ms": factor = 1_000_000
    case "s": factor = 1_000_000_000
    case "m": factor = 60_000_000_000
    case "h": factor = 3_600_000_000_000
    default: return nil
    }
    // Within the nanoseconds of an Int64 (292 years), so that later sums do not overflow silently.
    let (nanoseconds, overflow) = Int64(number).multipliedReportingOverflow(by: factor)
    return overflow ? nil : .nanoseconds(nanoseconds)
  }

  /// Returns how to write a duration of another form, such as `1m30s`, `1.5s` or `2d`: `; write 90s`. Empty for any other text.
  static func durationHint(_ text: String) -> String {
    let units = ["ms": 1.0, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
    var milliseconds = 0.0
    var rest = text.lowercased().filter { $0 != " " }[...]
    while !rest.isEmpty {
      let number = rest.prefix { $0 == "." || $0.isASCII && $0.isNumber }
      rest = rest[number.endIndex...]
      let unit = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest[unit.endIndex...]
      guard let value = decimal(String(number)), let factor = units[String(unit)] else { return "" }
      milliseconds += value * factor
    }
    guard let whole = Int64(exactly: milliseconds), whole > 0 else { return "" }
    return "; write \(written(.milliseconds(whole)))"
  }

  /// Returns how to write a size with another unit, such as `1MB` or `1 mib`: `; write 1MiB`. Empty for any other text.
  static func sizeHint(_ text: String) -> String {
    guard let (number, unit) = split(text.filter { $0 != " " }) else { return "" }
    let units = ["b": "B", "k": "KiB", "m": "MiB", "g": "GiB"]
    let word = unit.lowercased()
    guard let first = word.first, ["b", "\(first)", "\(first)b", "\(first)ib"].contains(word),
      let known = units["\(first)"]
    else { return "" }
    return "; write \(number)\(known)"
  }

  /// Parses `512B`, `16KiB`, `1MiB`, `2GiB`, and a bare `0`, into bytes.
  public static func size(_ text: String) -> Int? {
    if text == "0" { return 0 }
    guard let (number, unit) = split(text) else { return nil }
    let factor: Int
    switch unit {
    case "B": factor = 1
    case "KiB": factor = 1 << 10
    case "MiB": factor = 1 << 20
    case "GiB": factor = 1 << 30
    default: return nil
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : bytes
  }

  /// Parses an optional minus and decimal digits; leading zeros are ignored.
  public static func integer(_ text: String) -> Int? {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy(isDigit) else { return nil }
    return Int(text)
  }

  /// Parses `10%` or `0.5%` into a number from 0 to 1.
  public static func share(_ text: String) -> Double? {
    guard text.utf8.last == UInt8(ascii: "%"), let percent = decimal(String(text.dropLast())), percent <= 100 else {
      return nil
    }
    return percent / 100
  }

  /// Parses digits, with or without decimals behind a point; no sign, no exponent.
  public static func decimal(_ text: String) -> Double? {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard text.utf8.count <= 15,
      parts.allSatisfy({ part in !part.isEmpty && part.allSatisfy(isDigit) })
    else { return nil }
    return Double(text)
  }

  /// Returns a duration as text, in the largest unit that gives a whole number.
  public static func written(_ duration: Duration) -> String {
    let ms = duration.milliseconds
    if ms % 3_600_000 == 0, ms != 0 { return "\(ms / 3_600_000)h" }
    if ms % 60_000 == 0, ms != 0 { return "\(ms / 60_000)m" }
    if ms % 1000 == 0 { return "\(ms / 1000)s" }
    return "\(ms)ms"
  }

  /// Returns a size in bytes as text, in the largest unit that gives a whole number.
  public static func written(bytes: Int) -> String {
    if bytes % (1 << 30) == 0, bytes != 0 { return "\(bytes >> 30)GiB" }
    if bytes % (1 << 20) == 0, bytes != 0 { return "\(bytes >> 20)MiB" }
    if bytes % (1 << 10) == 0, bytes != 0 { return "\(bytes >> 10)KiB" }
    return "\(bytes)B"
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  /// Splits a text into its leading decimal digits and the rest.
  private static func split(_ text: String) -> (Int, Substring)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let number = Int(digits) else { return nil }
    return (number, text[digits.endIndex...])
  }
}
