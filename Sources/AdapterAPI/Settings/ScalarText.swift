/// The spelling of durations, sizes, numbers and shares in a configuration. Decimal digits only, and no overflow.
public enum ScalarText {
  /// `250ms`, `5s`, `10m`, `24h`; a bare `0` too.
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
    // Within the nanoseconds of an Int64, 292 years, so that no later sum with it overflows unseen.
    let (nanoseconds, overflow) = Int64(number).multipliedReportingOverflow(by: factor)
    return overflow ? nil : .nanoseconds(nanoseconds)
  }

  /// `512B`, `16KiB`, `1MiB`, `2GiB`; a bare `0` too.
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

  /// An optional minus and decimal digits; a leading zero means nothing.
  public static func integer(_ text: String) -> Int? {
    let digits = text.utf8.first == 45 ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
    return Int(text)
  }

  /// `10%`, `0.5%`: from 0 to 1.
  public static func share(_ text: String) -> Double? {
    guard text.utf8.last == 37, let percent = decimal(String(text.dropLast())), percent <= 100 else { return nil }
    return percent / 100
  }

  /// Digits, and decimals behind a point; no sign, no exponent.
  public static func decimal(_ text: String) -> Double? {
    let parts = text.utf8.split(separator: 46, maxSplits: 1, omittingEmptySubsequences: false)
    guard text.utf8.count <= 15,
      parts.allSatisfy({ part in !part.isEmpty && part.allSatisfy { $0 >= 48 && $0 <= 57 } })
    else { return nil }
    return Double(text)
  }

  /// The way back: the largest unit that gives a whole number.
  public static func written(_ duration: Duration) -> String {
    let ms = duration.milliseconds
    if ms % 3_600_000 == 0, ms != 0 { return "\(ms / 3_600_000)h" }
    if ms % 60_000 == 0, ms != 0 { return "\(ms / 60_000)m" }
    if ms % 1000 == 0 { return "\(ms / 1000)s" }
    return "\(ms)ms"
  }

  public static func written(bytes: Int) -> String {
    if bytes % (1 << 30) == 0, bytes != 0 { return "\(bytes >> 30)GiB" }
    if bytes % (1 << 20) == 0, bytes != 0 { return "\(bytes >> 20)MiB" }
    if bytes % (1 << 10) == 0, bytes != 0 { return "\(bytes >> 10)KiB" }
    return "\(bytes)B"
  }

  /// Decimal digits, and what follows them.
  private static func split(_ text: String) -> (Int, Substring)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let number = Int(digits) else { return nil }
    return (number, text[digits.endIndex...])
  }
}
