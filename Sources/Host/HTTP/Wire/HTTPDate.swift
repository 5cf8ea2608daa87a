import AdapterAPI
import Glibc

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

  /// IMF-fixdate (RFC 9110 §5.6.7).
  static func text(of epochSeconds: Int64) -> String {
    var time = time_t(epochSeconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}
