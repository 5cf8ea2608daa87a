import AdapterAPI
import Glibc

/// Randomness without memory: the same seed and time give the same number, on every machine.
enum MockNoise {
  /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  static func hash(_ a: UInt64, _ b: UInt64) -> UInt64 { mix(mix(a) ^ b) }

  /// From 0 to 1, without 1.
  static func share(_ a: UInt64, _ b: UInt64) -> Double { Double(hash(a, b) >> 11) * 0x1p-53 }

  /// A smooth course between −1 and 1 that takes a new direction every `period` seconds.
  static func smooth(_ salt: UInt64, _ time: Int64, period: Int64) -> Double {
    let rest = (time % period + period) % period
    let step = (time - rest) / period
    let from = share(salt, UInt64(bitPattern: step))
    let to = share(salt, UInt64(bitPattern: step + 1))
    return 2 * (from + (to - from) * ease(Double(rest) / Double(period))) - 1
  }

  /// From 0 to 1 with a soft start and end.
  static func ease(_ x: Double) -> Double {
    let x = min(max(x, 0), 1)
    return x * x * (3 - 2 * x)
  }
}

/// A time with what the curves need to know of it.
struct MockMoment: Sendable {
  let time: PointTime
  /// Local, 0 to 24.
  let hour: Double
  /// Local, 0 is Monday.
  let weekday: Int
  /// 0 at the turn of the year, 1 at the next.
  let year: Double

  var seconds: Int64 { time.seconds }

  init(_ time: PointTime, _ zone: inout LocalZone) {
    self.init(time, offset: zone.offset(at: time))
  }

  init(_ time: PointTime, offset: Int) {
    self.time = time
    let local = time.seconds + Int64(offset)
    let second = (local % 86400 + 86400) % 86400
    let day = (local - second) / 86400
    hour = Double(second) / 3600
    // 1970-01-01 was a Thursday.
    weekday = Int(((day + 3) % 7 + 7) % 7)
    let years = Double(local) / 31_556_952
    year = years - years.rounded(.down)
  }

  var isWorkday: Bool { weekday < 5 }

  /// How full the building is, 0 to 1.
  var people: Double {
    guard isWorkday else { return 0.04 }
    let present = MockNoise.ease((hour - 6.5) / 2.5) * (1 - MockNoise.ease((hour - 16) / 3.5))
    let lunch = 0.35 * MockNoise.ease((hour - 11.5) / 0.75) * (1 - MockNoise.ease((hour - 12.75) / 0.75))
    return 0.02 + 0.98 * present * (1 - lunch)
  }

  /// A wave over the day, 1 at that hour and −1 twelve hours later.
  func dayWave(peak: Double) -> Double { cos(2 * .pi * (hour - peak) / 24) }
  /// A wave over the year, 1 in the middle of July and −1 in January.
  var summer: Double { -cos(2 * .pi * (year - 0.04)) }
}
