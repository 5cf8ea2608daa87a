import AdapterAPI
import Glibc

/// Random numbers without state: the same seed and time give the same number on every machine.
enum MockNoise {
  /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  static func hash(_ a: UInt64, _ b: UInt64) -> UInt64 { mix(mix(a) ^ b) }

  /// Returns a number from 0 to 1, without 1.
  static func share(_ a: UInt64, _ b: UInt64) -> Double { Double(hash(a, b) >> 11) * 0x1p-53 }

  /// Returns a smooth curve between −1 and 1 that takes a new direction every `period` seconds.
  static func smooth(_ salt: UInt64, _ time: Int64, period: Int64) -> Double {
    let (step, rest) = floorDivide(time, period)
    let from = share(salt, UInt64(bitPattern: step))
    let to = share(salt, UInt64(bitPattern: step + 1))
    return 2 * (from + (to - from) * ease(Double(rest) / Double(period))) - 1
  }

  /// Returns a smooth step from 0 to 1.
  static func ease(_ x: Double) -> Double {
    let x = min(max(x, 0), 1)
    return x * x * (3 - 2 * x)
  }
}

/// A time, with the quantities that the curves depend on.
struct MockMoment: Sendable {
  let time: PointTime
  /// The local hour, 0 to 24.
  let hour: Double
  /// The local day of the week, 0 for Monday.
  let weekday: Int
  /// The part of the year that has passed, 0 to 1.
  let year: Double

  var seconds: Int64 { time.seconds }

  init(_ time: PointTime, _ zone: inout LocalZone) {
    self.init(time, offset: zone.offset(at: time))
  }

  init(_ time: PointTime, offset: Int) {
    self.time = time
    let local = time.seconds + Int64(offset)
    let (day, second) = floorDivide(local, 86400)
    hour = Double(second) / 3600
    weekday = CivilDate.weekday(daysSinceEpoch: day)
    let years = Double(local) / 31_556_952
    year = years - years.rounded(.down)
  }

  var isWorkday: Bool { weekday < 5 }

  /// The occupancy of the building, 0 to 1.
  var people: Double {
    guard isWorkday else { return 0.04 }
    let present = MockNoise.ease((hour - 6.5) / 2.5) * (1 - MockNoise.ease((hour - 16) / 3.5))
    let lunch = 0.35 * MockNoise.ease((hour - 11.5) / 0.75) * (1 - MockNoise.ease((hour - 12.75) / 0.75))
    return 0.02 + 0.98 * present * (1 - lunch)
  }

  /// Returns a wave over the day: 1 at `peak`, −1 twelve hours later.
  func dayWave(peak: Double) -> Double { cos(2 * .pi * (hour - peak) / 24) }
  /// A wave over the year: 1 in the middle of July, −1 in January.
  var summer: Double { -cos(2 * .pi * (year - 0.04)) }
}
