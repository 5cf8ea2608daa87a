import Glibc

/// A moment, read and written in the contract's two styles: naive local time `YYYY-MM-DD HH:MM:SS`, and RFC 3339 with an offset.
///
/// The local zone is the process's own (`TZ`, else the system's).
public struct PointTime: Sendable, Hashable, Comparable {
  /// Seconds since the epoch. Fractions are cut off.
  public let seconds: Int64

  public init(seconds: Int64) { self.seconds = seconds }

  public static func < (a: PointTime, b: PointTime) -> Bool { a.seconds < b.seconds }

  /// The style in which a caller wrote a time, and in which the response writes its times.
  public enum Style: Sendable, Hashable {
    case local
    /// RFC 3339: the seconds east of UTC, and whether zero was written as `Z`.
    case offset(Int, zulu: Bool)
  }

  /// Parses one of the two styles strictly: real dates and times of day only, years 0001 to 9999. Returns nil for any other text.
  ///
  /// A local time that a clock change skips or repeats is resolved as `mktime` does.
  public static func parse(_ text: String) -> (time: PointTime, style: Style)? {
    let bytes = Array(text.utf8.prefix(41))
    guard bytes.count >= 19, bytes.count <= 40 else { return nil }

    func isByte(_ index: Int, _ byte: Unicode.Scalar) -> Bool {
      index < bytes.count && bytes[index] == UInt8(ascii: byte)
    }
    func isDigit(_ index: Int) -> Bool { index < bytes.count && bytes[index] &- UInt8(ascii: "0") < 10 }
    func number(_ range: Range<Int>) -> Int? {
      range.allSatisfy(isDigit) ? range.reduce(0) { $0 * 10 + Int(bytes[$1] - UInt8(ascii: "0")) } : nil
    }

    guard let year = number(0..<4), isByte(4, "-"), let month = number(5..<7), isByte(7, "-"), let day = number(8..<10),
      let hour = number(11..<13), isByte(13, ":"), let minute = number(14..<16), isByte(16, ":"),
      let second = number(17..<19), year >= 1, let length = CivilDate.length(ofMonth: month, year: year),
      (1...length).contains(day), hour < 24, minute < 60, second < 60
    else { return nil }

    if bytes.count == 19 {
      guard isByte(10, " ") else { return nil }
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

    guard isByte(10, "T") || isByte(10, "t") || isByte(10, " ") else { return nil }
    var index = 19
    if isByte(index, ".") {
      index += 1
      guard isDigit(index) else { return nil }
      while isDigit(index) { index += 1 }
    }
    let style: Style
    var offset = 0
    if isByte(index, "Z") || isByte(index, "z") {
      guard index + 1 == bytes.count else { return nil }
      style = .offset(0, zulu: true)
    } else {
      guard isByte(index, "+") || isByte(index, "-"), index + 6 == bytes.count,
        let hours = number(index + 1..<index + 3), isByte(index + 3, ":"), let minutes = number(index + 4..<index + 6),
        hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 3600 + minutes * 60) * (isByte(index, "-") ? -1 : 1)
      style = .offset(offset, zulu: false)
    }
    let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
    return (PointTime(seconds: days * 86400 + Int64(hour * 3600 + minute * 60 + second - offset)), style)
  }

  /// The seconds by which the local zone is ahead of UTC at this moment.
  public var localOffset: Int {
    var time = time_t(seconds)
    var parts = tm()
    guard localtime_r(&time, &parts) != nil else { return 0 }
    return parts.tm_gmtoff
  }
}

/// Writes times in one style. Not shared: each response has its own.
public struct PointTimeWriter: Sendable {
  private let style: PointTime.Style
  private var zone = LocalZone()

  public init(_ style: PointTime.Style) { self.style = style }

  /// Returns the time as text. A time outside the years 0001 to 9999 is moved to their nearest end.
  public mutating func text(_ time: PointTime) -> String {
    let seconds = min(max(time.seconds, -62_135_510_400), 253_402_214_400)
    let offset =
      switch style {
      case .local: zone.offset(at: PointTime(seconds: seconds))
      case .offset(let offset, _): offset
      }
    let (days, rest) = floorDivide(seconds + Int64(offset), 86400)
    let date = CivilDate(daysSinceEpoch: days)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(25)

    func append(_ number: Int, digits: Int = 2, _ separator: Unicode.Scalar? = nil) {
      bytes.append(number, digits: digits)
      if let separator { bytes.append(UInt8(ascii: separator)) }
    }

    append(date.year, digits: 4, "-")
    append(date.month, "-")
    append(date.day, style == .local ? " " : "T")
    append(Int(rest) / 3600, ":")
    append(Int(rest) / 60 % 60, ":")
    append(Int(rest) % 60)
    if case .offset(let offset, let zulu) = style {
      if zulu {
        bytes.append(UInt8(ascii: "Z"))
      } else {
        bytes.append(offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        append(abs(offset) / 3600, ":")
        append(abs(offset) / 60 % 60)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The local zone's offset for many times. Remembers it for each day without a clock change, because asking the system is slow.
public struct LocalZone: Sendable {
  private var day = Int64.min
  /// The offset at both ends of `day`; nil when they differ.
  private var dayOffset: Int?

  public init() {}

  /// Returns the seconds by which the local zone is ahead of UTC.
  public mutating func offset(at time: PointTime) -> Int {
    let day = floorDivide(time.seconds, 86400).quotient
    if day != self.day {
      self.day = day
      let first = PointTime(seconds: day * 86400).localOffset
      dayOffset = first == PointTime(seconds: day * 86400 + 86399).localOffset ? first : nil
    }
    return dayOffset ?? time.localOffset
  }
}
