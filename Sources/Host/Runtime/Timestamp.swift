import Glibc

/// Wall time as text, without a calendar library: UTC, RFC 3339, milliseconds.
enum Timestamp {
  /// Milliseconds since the epoch, now.
  static func wallMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// Appends `2026-11-24T21:00:00.123Z`.
  static func appendRFC3339(_ milliseconds: Int64, to bytes: inout [UInt8]) {
    let (days, inDay) = split(milliseconds)
    let (year, month, day) = civil(days)
    appendDecimal(year, digits: 4, to: &bytes)
    bytes.append(0x2D)
    appendDecimal(month, digits: 2, to: &bytes)
    bytes.append(0x2D)
    appendDecimal(day, digits: 2, to: &bytes)
    bytes.append(0x54)
    appendClock(inDay, to: &bytes)
    bytes.append(0x5A)
  }

  /// Appends `21:00:00.123`.
  static func appendTimeOfDay(_ milliseconds: Int64, to bytes: inout [UInt8]) {
    appendClock(split(milliseconds).inDay, to: &bytes)
  }

  private static func appendClock(_ inDay: Int, to bytes: inout [UInt8]) {
    appendDecimal(inDay / 3_600_000, digits: 2, to: &bytes)
    bytes.append(0x3A)
    appendDecimal(inDay / 60_000 % 60, digits: 2, to: &bytes)
    bytes.append(0x3A)
    appendDecimal(inDay / 1000 % 60, digits: 2, to: &bytes)
    bytes.append(0x2E)
    appendDecimal(inDay % 1000, digits: 3, to: &bytes)
  }

  /// Whole days since the epoch and milliseconds in the day, held to the years 1970–9999 that RFC 3339 can say.
  private static func split(_ milliseconds: Int64) -> (days: Int, inDay: Int) {
    let clamped = Int(min(max(milliseconds, 0), 253_402_300_799_999))
    return (clamped / 86_400_000, clamped % 86_400_000)
  }

  /// The proleptic Gregorian date of a day, counted in 400-year eras that start on 1 March 0000.
  private static func civil(_ daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = daysSinceEpoch + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
  }

  private static func appendDecimal(_ value: Int, digits: Int, to bytes: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(truncatingIfNeeded: 48 + value / divisor % 10))
      divisor /= 10
    }
  }
}
