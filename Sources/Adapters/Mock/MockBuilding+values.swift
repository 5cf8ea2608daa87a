import AdapterAPI
import Glibc

// The value of each point at a time: a pure function of the seed, the time and the writes.
extension MockBuilding {
  func value(_ index: Int, _ moment: MockMoment, _ writes: MockWrites) -> Double {
    let point = points[index]
    if let (entry, _) = writes.inForce(index, at: moment.seconds) { return entry.value }
    var value = computed(point, moment, writes)
    if let rule = point.alarm, let excess = alarmExcess(index, at: moment.seconds) {
      value = point.isBinary ? 1 : max(value, rule.high * (1.02 + 0.15 * excess))
    }
    return rounded(min(max(value, point.range.lowerBound), point.range.upperBound), point.decimals)
  }

  private func computed(_ point: MockPoint, _ moment: MockMoment, _ writes: MockWrites) -> Double {
    func other(_ index: Int) -> Double { value(index, moment, writes) }
    func noise(_ minutes: Int64) -> Double { MockNoise.smooth(point.salt, moment.seconds, period: minutes * 60) }

    switch point.signal {
    case .outdoorTemperature: return outdoorTemperature(moment)
    case .outdoorHumidity: return 68 - 17 * moment.dayWave(peak: 15) + 9 * noise(400)
    case .sunshine:
      let height = sin(.pi * (moment.hour - 6 + moment.summer) / (12 + 2 * moment.summer))
      return max(0, height) * (520 + 260 * moment.summer) * (0.62 + 0.38 * noise(45))
    case .wind: return 3.2 + 2.4 * noise(180) + 0.7 * noise(4)
    case .fixed(let value): return value
    case .workingHours:
      let isOn =
        switch moment.weekday {
        case 0...4: moment.hour >= 6 && moment.hour < 20
        case 5: moment.hour >= 8 && moment.hour < 14
        default: false
        }
      return isOn ? 1 : 0
    case .withPeople(let quiet, let busy, let strength):
      return quiet + (busy - quiet) * people(point, moment) + strength * noise(12)
    case .whileFanRuns(let fan, let idle, let quiet, let busy, let strength):
      return other(fan) > 0 ? quiet + (busy - quiet) * moment.people + strength * noise(8) : idle
    case .supplyTemperature(let setpoint, let fan):
      return other(fan) > 0 ? approached(setpoint, moment, writes, minutes: 6) + 0.4 * noise(5) : 21.3 + 0.8 * noise(90)
    case .mixedTemperature(let damper, let returned):
      let share = other(damper) / 100
      return share * outdoorTemperature(moment) + (1 - share) * other(returned)
    case .valve(let setpoint, let measured, let fan, let heating):
      if let fan, other(fan) == 0 { return 0 }
      let distance = (other(setpoint) - other(measured)) * (heating ? 1 : -1)
      return max(0, distance * 9 + 2 * noise(7))
    case .filterPressure(let fan):
      let age = Double(moment.seconds % (90 * 86400)) / (90 * 86400)
      return other(fan) > 0 ? 85 + 110 * age + 4 * noise(10) : 2 + noise(30)
    case .proportional(let index, let factor): return other(index) * factor + 3 * noise(6)
    case .running(let fan): return other(fan) > 0 ? 1 : 0
    case .alarmFlag: return 0
    case .roomTemperature(let setpoint):
      let awake = MockNoise.ease((moment.hour - 5) / 3) * (1 - MockNoise.ease((moment.hour - 19) / 5))
      let setback = moment.isWorkday ? 2.2 * (1 - awake) : 2.4
      return approached(setpoint, moment, writes, minutes: 25) - setback + 0.5 * moment.people + 0.25 * noise(20)
    case .occupied: return people(point, moment) * (1 + 0.5 * noise(25)) > 0.45 ? 1 : 0
    case .power(let base, let peak):
      return (base + peak * load.level(at: moment.seconds)) * (1 + 0.02 * noise(3))
    case .meter(let base, let peak, let start):
      return start + base * load.hours(at: moment.seconds) + peak * load.integral(at: moment.seconds)
    }
  }

  /// The same for every point: the building has one weather.
  private func outdoorTemperature(_ moment: MockMoment) -> Double {
    let salt = MockNoise.hash(seed, 0)
    return 11 + 10 * moment.summer + 4.5 * moment.dayWave(peak: 16)
      + 3 * MockNoise.smooth(salt, moment.seconds, period: 130_000)
      + 0.3 * MockNoise.smooth(salt, moment.seconds, period: 1500)
  }

  /// The occupancy of a room, which differs from the building's a little each day.
  private func people(_ point: MockPoint, _ moment: MockMoment) -> Double {
    let day = UInt64(bitPattern: moment.seconds / 86400)
    return moment.people * (0.7 + 0.5 * MockNoise.share(point.salt, day))
  }

  /// Returns the setpoint's effect on the measured temperature, which approaches a written value exponentially.
  private func approached(_ setpoint: Int, _ moment: MockMoment, _ writes: MockWrites, minutes: Double) -> Double {
    let target = value(setpoint, moment, writes)
    guard let (entry, previous) = writes.inForce(setpoint, at: moment.seconds),
      case .fixed(let before) = points[setpoint].signal
    else { return target }
    let from = previous ?? before
    return target + (from - target) * exp(-Double(moment.seconds - entry.time) / (minutes * 60))
  }

  private func rounded(_ value: Double, _ decimals: Int) -> Double {
    let factor = decimals == 0 ? 1.0 : decimals == 1 ? 10.0 : 100.0
    return (value * factor).rounded() / factor
  }
}

/// The building's load over a week, hour by hour, and its exact integral, so that meters only grow.
///
/// Uses the zone's winter time all year, because an hour that a clock change skips or repeats would make a meter jump.
struct MockLoad: Sendable {
  /// The load at the beginning of each hour of a week from Monday, 0 to 1; the last one equals the first.
  private let levels: [Double]
  /// The integral up to the beginning of each hour.
  private let sums: [Double]
  private let offset: Int64
  /// A Monday, midnight, before any time of interest: 2001-01-01.
  private static let start: Int64 = 978_307_200

  init(offset: Int? = nil) {
    // 2024-01-01. On the southern hemisphere this is summer time, which shifts the curve by an hour.
    self.offset = Int64(offset ?? PointTime(seconds: 1_704_067_200).localOffset)
    var levels: [Double] = []
    for hour in 0...168 {
      let moment = MockMoment(PointTime(seconds: Self.start + Int64(hour % 168) * 3600), offset: 0)
      levels.append(moment.people)
    }
    self.levels = levels
    var sums = [0.0]
    for hour in 0..<168 { sums.append(sums[hour] + (levels[hour] + levels[hour + 1]) / 2) }
    self.sums = sums
  }

  /// Returns the load, 0 to 1.
  func level(at time: Int64) -> Double {
    let (_, hour, share) = position(time)
    return levels[hour] + (levels[hour + 1] - levels[hour]) * share
  }

  /// Returns the hours since the start of counting.
  func hours(at time: Int64) -> Double { Double(max(0, time + offset - Self.start)) / 3600 }

  /// Returns the integral of the load over the hours since the start of counting.
  func integral(at time: Int64) -> Double {
    let (week, hour, share) = position(time)
    return Double(week) * sums[168] + sums[hour] + levels[hour] * share + (levels[hour + 1] - levels[hour]) * share
      * share / 2
  }

  private func position(_ time: Int64) -> (week: Int64, hour: Int, share: Double) {
    let elapsed = max(0, time + offset - Self.start)
    let second = elapsed % (168 * 3600)
    return (elapsed / (168 * 3600), Int(second / 3600), Double(second % 3600) / 3600)
  }
}
