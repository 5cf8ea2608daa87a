/// The text of durations and points in time in the output of commands.
enum TimeSpan {
  /// `2 h 5 min`, `3 min`, `12 s`, `0 s`: the two largest units that are not zero; no sign.
  static func text(_ milliseconds: Int64) -> String {
    let seconds = Int64(clamping: milliseconds.magnitude / 1000)
    let parts = [
      (seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s"),
    ]
    guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
    return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " ")
  }

  /// `in 5 min` or `5 min ago`.
  static func relative(_ moment: Int64, to now: Int64) -> String {
    let (difference, overflow) = moment.subtractingReportingOverflow(now)
    if overflow { return moment > now ? "in a very long time" : "a very long time ago" }
    return difference >= 0 ? "in \(text(difference))" : "\(text(difference)) ago"
  }

  /// `2026-11-24T21:00:00.123Z`
  static func rfc3339(_ milliseconds: Int64) -> String {
    var bytes: [UInt8] = []
    Timestamp.appendRFC3339(milliseconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}
