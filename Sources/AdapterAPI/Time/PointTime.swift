import Glibc

/// A moment in the contract's two spellings: naive local time `YYYY-MM-DD HH:MM:SS`, and RFC 3339 with an offset.
///
/// The local zone is the process's own (`TZ`, else the system's).
public struct PointTime: Sendable, Hashable, Comparable {
  /// Since the epoch; fractions are cut off.
  public let seconds: Int64

  public init(seconds: Int64) { self.seconds = seconds }

  public static func < (a: PointTime, b: PointTime) -> Bool { a.seconds < b.seconds }

  /// How a caller wrote a time, and so how the answer writes its times.
  public enum Style: Sendable, Hashable {
    case local
    /// RFC 3339; seconds east of UTC, and whether zero was written as `Z`.
    case offset(Int, zulu: Bool)
  }

  /// Reads one of the two spellings, strictly: real dates and times of day only, years 0001 to 9999.
  ///
  /// A local time that a clock change skips or repeats is what `mktime` makes of it.
  public static func parse(_ text: String) -> (time: PointTime, style: Style)? {
    let bytes = Array(text.utf8.prefix(41))
    guard bytes.count >= 19, bytes.count <= 40 else { return nil }

    func number(_ range: Range<Int>) -> Int? {
      var value = 0
      for index in range {
        guard index < bytes.count, bytes[index] &- 48 < 10 else { return nil }
        value = value * 10 + Int(bytes[index] - 48)
      }
      return value
    }

    guard let year = number(0..<4), bytes[4] == UInt8(ascii: "-"), let month = number(5..<7),
      bytes[7] == UInt8(ascii: "-"),
      let day = number(8..<10), let hour = number(11..<13), bytes[13] == UInt8(ascii: ":"),
      let minute = number(14..<16),
      bytes[16] == UInt8(ascii: ":"), let second = number(17..<19),
      year >= 1, hour < 24, minute < 60, second < 60, let length = Calendar.length(ofMonth: month, year: year),
      day >= 1,
      day <= length
    else { return nil }

    let date = Calendar.Date(year: year, month: month, day: day)
    if bytes.count == 19 {
      guard bytes[10] == 0x20 else { return nil }
      var parts = tm()
      parts.tm_year = Int32(year - 1900)
      parts.tm_mon = Int32(month - 1)
      parts.tm_mday = Int32(day)
      parts.tm_hour = Int32(hour)
      parts.tm_min = Int32(minute)
      parts.tm_sec = Int32(second)
      parts.tm_isdst = -1
      return (PointTime(seconds: Int64(mktime(&parts))), .local)
    }

    guard bytes[10] | 0x20 == UInt8(ascii: "t") || bytes[10] == 0x20 else { return nil }
    var index = 19
    if bytes[index] == UInt8(ascii: ".") {
      index += 1
      let start = index
      while index < bytes.count, bytes[index] &- 48 < 10 { index += 1 }
      guard index > start else { return nil }
    }
    guard index < bytes.count else { return nil }
    let style: Style
    var offset = 0
    if bytes[index] | 0x20 == UInt8(ascii: "z") {
      guard index + 1 == bytes.count else { return nil }
      style = .offset(0, zulu: true)
    } else {
      let sign = bytes[index]
      guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), index + 6 == bytes.count,
        let hours = number(index + 1..<index + 3), bytes[index + 3] == UInt8(ascii: ":"),
        let minutes = number(index + 4..<index + 6), hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 3600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
      style = .offset(offset, zulu: false)
    }
    let seconds = Calendar.days(of: date) * 86400 + Int64(hour * 3600 + minute * 60 + second - offset)
    return (PointTime(seconds: seconds), style)
  }

  /// How many seconds the local zone is ahead of UTC at this moment.
  public var localOffset: Int {
    var time = time_t(seconds)
    var parts = tm()
    guard localtime_r(&time, &parts) != nil else { return 0 }
    return parts.tm_gmtoff
  }
}

/// Writes many times in one style.
public struct PointTimeWriter: Sendable {
  private let style: PointTime.Style
  private var zone = LocalZone()

  public init(_ style: PointTime.Style) { self.style = style }

  public mutating func text(_ time: PointTime) -> String {
    // Beyond what four digits can say there is nothing to write; nobody can have asked for it either.
    let seconds = min(max(time.seconds, -62_135_510_400), 253_402_214_400)
    let offset =
      switch style {
      case .local: zone.offset(at: PointTime(seconds: seconds))
      case .offset(let offset, _): offset
      }
    let (days, rest) = floorDivide(seconds + Int64(offset), 86400)
    let date = Calendar.date(ofDays: days)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(25)

    func append(_ number: Int, digits: Int, _ separator: UInt8?) {
      var divisor = digits == 4 ? 1000 : 10
      while divisor > 0 {
        bytes.append(UInt8(48 + number / divisor % 10))
        divisor /= 10
      }
      if let separator { bytes.append(separator) }
    }

    append(date.year, digits: 4, UInt8(ascii: "-"))
    append(date.month, digits: 2, UInt8(ascii: "-"))
    append(date.day, digits: 2, style == .local ? 0x20 : UInt8(ascii: "T"))
    append(Int(rest) / 3600, digits: 2, UInt8(ascii: ":"))
    append(Int(rest) / 60 % 60, digits: 2, UInt8(ascii: ":"))
    append(Int(rest) % 60, digits: 2, nil)
    if case .offset(let offset, let zulu) = style {
      if zulu {
        bytes.append(UInt8(ascii: "Z"))
      } else {
        bytes.append(offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        append(abs(offset) / 3600, digits: 2, UInt8(ascii: ":"))
        append(abs(offset) / 60 % 60, digits: 2, nil)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The local zone's offset for many times. Keeps it for a day in which it does not change, because asking is the slow
/// part.
public struct LocalZone: Sendable {
  private var day = Int64.min
  /// The offset at both ends of `day`; nil when they differ.
  private var dayOffset: Int?

  public init() {}

  /// Seconds ahead of UTC.
  public mutating func offset(at time: PointTime) -> Int {
    let (day, _) = floorDivide(time.seconds, 86400)
    if day != self.day {
      self.day = day
      let first = PointTime(seconds: day * 86400).localOffset
      dayOffset = first == PointTime(seconds: day * 86400 + 86399).localOffset ? first : nil
    }
    return dayOffset ?? time.localOffset
  }
}

/// The proleptic Gregorian calendar, in days since 1970-01-01.
enum Calendar {
  struct Date: Hashable {
    var year: Int
    var month: Int
    var day: Int
  }

  static func length(ofMonth month: Int, year: Int) -> Int? {
    switch month {
    case 1, 3, 5, 7, 8, 10, 12: 31
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: nil
    }
  }

  /// Counts from 1 March of year 0, so that the leap day ends a year; an era is 400 years.
  static func days(of date: Date) -> Int64 {
    let year = Int64(date.month <= 2 ? date.year - 1 : date.year)
    let (era, yearOfEra) = floorDivide(year, 400)
    let dayOfYear = Int64((153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  static func date(ofDays days: Int64) -> Date {
    let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = Int(shifted < 10 ? shifted + 3 : shifted - 9)
    let year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    return Date(year: year, month: month, day: Int(dayOfYear - (153 * shifted + 2) / 5 + 1))
  }
}

/// Division that rounds down, with a remainder that is never negative; the divisor is positive.
func floorDivide(_ number: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
  let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
