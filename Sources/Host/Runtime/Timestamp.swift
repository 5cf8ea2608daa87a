import AdapterAPI

/// Wall time as text in UTC with milliseconds. Times outside the years 1970 to 9999 are moved to their nearest end.
enum Timestamp {
  /// Appends a time in milliseconds since the epoch in the form of RFC 3339: `2026-11-24T21:00:00.123Z`.
  static func appendRFC3339(_ milliseconds: Int64, to bytes: inout [UInt8]) {
    let (days, inDay) = split(milliseconds)
    let date = CivilDate(daysSinceEpoch: Int64(days))
    bytes.append(date.year, digits: 4)
    bytes.append(UInt8(ascii: "-"))
    bytes.append(date.month, digits: 2)
    bytes.append(UInt8(ascii: "-"))
    bytes.append(date.day, digits: 2)
    bytes.append(UInt8(ascii: "T"))
    appendClock(inDay, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  private static func appendClock(_ inDay: Int, to bytes: inout [UInt8]) {
    bytes.append(inDay / 3_600_000, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    bytes.append(inDay / 60_000 % 60, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    bytes.append(inDay / 1000 % 60, digits: 2)
    bytes.append(UInt8(ascii: "."))
    bytes.append(inDay % 1000, digits: 3)
  }

  /// Returns the whole days since the epoch and the milliseconds in the day.
  private static func split(_ milliseconds: Int64) -> (days: Int, inDay: Int) {
    let clamped = Int(min(max(milliseconds, 0), 253_402_300_799_999))
    return (clamped / 86_400_000, clamped % 86_400_000)
  }
}
