import AdapterAPI

/// The `Date` field (RFC 9110 §6.6.1), written anew once a second.
struct HTTPDate {
  private var line: [UInt8] = []
  private var goodUntil = Instant(nanoseconds: .min)

  mutating func line(at now: Instant) -> [UInt8] {
    if now >= goodUntil {
      let wall = System.wall()
      line = Array("Date: \(HTTPDate.text(of: wall / 1000))\r\n".utf8)
      goodUntil = now + .milliseconds(1000 - wall % 1000)
    }
    return line
  }

  /// Returns a time in seconds since the epoch as IMF-fixdate (RFC 9110 §5.6.7).
  static func text(of epochSeconds: Int64) -> String {
    let (day, second) = floorDivide(epochSeconds, 86400)
    let date = CivilDate(daysSinceEpoch: day)
    var bytes: [UInt8] = []
    bytes.append(text: weekdays[CivilDate.weekday(daysSinceEpoch: day)])
    bytes.append(", ")
    bytes.append(date.day, digits: 2)
    bytes.append(text: months[date.month - 1])
    bytes.append(date.year, digits: 4)
    for (separator, number) in [(" ", second / 3600), (":", second / 60 % 60), (":", second % 60)] {
      bytes.append(text: separator)
      bytes.append(Int(number), digits: 2)
    }
    bytes.append(" GMT")
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
  private static let months = [
    " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ", " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec ",
  ]
}
