import AdapterAPI

/// The points of the building: an air handler, a weather station, meters and six rooms, then floors of an air handler and six rooms
/// until the requested number of points is reached.
struct MockBuilding: Sendable {
  let points: [MockPoint]
  let seed: UInt64
  let load: MockLoad
  /// The points that can raise an alarm. Bounded, so that a search over months is cheap in the largest building.
  let alarmPoints: [Int]
  private let indices: [String: Int]

  static let maximumAlarmPoints = 100

  init(points count: Int, seed: UInt64) {
    var plan = Plan(seed: seed, count: count)
    plan.airHandler(device: 5001, "AHU 1")
    plan.weather(device: 5900)
    plan.meters(device: 5930)
    for room in 1...6 { plan.room(device: 5100 + room, "Room 1.0\(room)") }
    var floor = 2
    while plan.points.count < count {
      let device = 6000 + floor * 20
      plan.airHandler(device: device, "AHU \(floor)")
      for room in 1...6 { plan.room(device: device + room, "Room \(floor).0\(room)") }
      floor += 1
    }
    points = Array(plan.points.prefix(count))
    indices = Dictionary(points.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    alarmPoints = Array(
      points.indices.lazy.filter { [points] in points[$0].alarm != nil }.prefix(Self.maximumAlarmPoints))
    self.seed = seed
    load = MockLoad()
  }

  func index(of code: String) -> Int? { indices[code] }
}

/// Lays out the points one by one. References go to earlier points, so that the list can be cut anywhere.
private struct Plan {
  let seed: UInt64
  let count: Int
  var points: [MockPoint] = []

  init(seed: UInt64, count: Int) {
    self.seed = seed
    self.count = count
    points.reserveCapacity(count + 50)
  }

  private mutating func add(
    _ device: Int, _ object: String, _ name: String, _ unit: String, _ range: ClosedRange<Double>, _ decimals: Int,
    writable: Bool = false, alarm: MockAlarmRule? = nil, _ signal: MockSignal
  ) -> Int {
    points.append(
      MockPoint(
        id: "C_\(device)_\(object)", name: name, unit: unit, range: range, decimals: decimals, isWritable: writable,
        signal: signal, salt: MockNoise.hash(seed, UInt64(points.count + 1)), alarm: alarm))
    return points.count - 1
  }

  mutating func airHandler(device: Int, _ name: String) {
    let setpoint = add(
      device, "AV_0001", "\(name) supply air temperature setpoint", "°C", 14...26, 1, writable: true, .fixed(18))
    let fan = add(device, "BO_0001", "\(name) supply fan command", "", 0...1, 0, writable: true, .workingHours)
    let speed = add(
      device, "AO_0001", "\(name) supply fan speed", "%", 0...100, 1, writable: true,
      .whileFanRuns(fan: fan, idle: 0, quiet: 45, busy: 82, noise: 1.5))
    _ = add(
      device, "AI_0001", "\(name) supply air temperature", "°C", -20...60, 1,
      .supplyTemperature(setpoint: setpoint, fan: fan))
    let returned = add(
      device, "AI_0002", "\(name) return air temperature", "°C", -20...60, 1,
      .withPeople(quiet: 21.2, busy: 23.4, noise: 0.3))
    let damper = add(
      device, "AO_0004", "\(name) outdoor air damper", "%", 0...100, 1, writable: true,
      .whileFanRuns(fan: fan, idle: 0, quiet: 25, busy: 55, noise: 2))
    let mixed = add(
      device, "AI_0003", "\(name) mixed air temperature", "°C", -30...60, 1,
      .mixedTemperature(outdoorDamper: damper, returned: returned))
    for (object, kind, heating) in [("AO_0002", "heating", true), ("AO_0003", "cooling", false)] {
      _ = add(
        device, object, "\(name) \(kind) valve", "%", 0...100, 1, writable: true,
        .valve(setpoint: setpoint, measured: mixed, fan: fan, heating: heating))
    }
    _ = add(
      device, "AI_0004", "\(name) filter differential pressure", "Pa", 0...600, 0,
      alarm: MockAlarmRule(content: "\(name): the filter is dirty", level: 3, high: 250, deadband: 20),
      .filterPressure(fan: fan))
    _ = add(device, "AI_0005", "\(name) duct static pressure", "Pa", 0...1000, 0, .proportional(to: speed, factor: 4.2))
    _ = add(
      device, "AI_0006", "\(name) supply air humidity", "%", 0...100, 1, .withPeople(quiet: 42, busy: 48, noise: 4))
    _ = add(device, "BI_0001", "\(name) supply fan status", "", 0...1, 0, .running(fan: fan))
    _ = add(
      device, "BV_0002", "\(name) fault", "", 0...1, 0,
      alarm: MockAlarmRule(content: "\(name): general fault", level: 1, high: 0.5, deadband: 0), .alarmFlag)
  }

  mutating func weather(device: Int) {
    _ = add(device, "AI_0001", "Outdoor air temperature", "°C", -40...60, 1, .outdoorTemperature)
    _ = add(device, "AI_0002", "Outdoor air humidity", "%", 0...100, 0, .outdoorHumidity)
    _ = add(device, "AI_0003", "Global radiation", "W/m²", 0...1400, 0, .sunshine)
    _ = add(device, "AI_0004", "Wind speed", "m/s", 0...60, 1, .wind)
  }

  mutating func meters(device: Int) {
    _ = add(
      device, "AI_0001", "Main meter power", "kW", 0...2000, 1,
      alarm: MockAlarmRule(content: "The building's power is above its limit", level: 2, high: 230, deadband: 5),
      .power(base: 38, peak: 165))
    _ = add(device, "AI_0002", "Main meter energy", "kWh", 0...1e9, 1, .meter(base: 38, peak: 165, start: 120_000))
    _ = add(device, "AI_0003", "Lighting power", "kW", 0...500, 2, .power(base: 2.5, peak: 31))
    _ = add(device, "AI_0004", "Lighting energy", "kWh", 0...1e9, 1, .meter(base: 2.5, peak: 31, start: 8000))
    _ = add(device, "AI_0005", "Water flow", "m³/h", 0...100, 2, .withPeople(quiet: 0.05, busy: 2.4, noise: 0.04))
    // Some real ids look like this. An id must not be parsed.
    _ = add(device, "", "Power limit", "kW", 0...500, 0, id: "C_\(device)-5_AV_0000", writable: true, .fixed(220))
  }

  private mutating func add(
    _ device: Int, _ object: String, _ name: String, _ unit: String, _ range: ClosedRange<Double>, _ decimals: Int,
    id: String, writable: Bool, _ signal: MockSignal
  ) -> Int {
    points.append(
      MockPoint(
        id: id, name: name, unit: unit, range: range, decimals: decimals, isWritable: writable, signal: signal,
        salt: MockNoise.hash(seed, UInt64(points.count + 1)), alarm: nil))
    return points.count - 1
  }

  mutating func room(device: Int, _ name: String) {
    let setpoint = add(
      device, "AV_0001", "\(name) temperature setpoint", "°C", 16...28, 1, writable: true, .fixed(21.5))
    let temperature = add(
      device, "AI_0001", "\(name) temperature", "°C", -10...50, 1, .roomTemperature(setpoint: setpoint))
    _ = add(
      device, "AI_0002", "\(name) CO2", "ppm", 0...5000, 0,
      alarm: MockAlarmRule(content: "\(name): the CO2 concentration is too high", level: 3, high: 1200, deadband: 100),
      .withPeople(quiet: 430, busy: 880, noise: 60))
    _ = add(
      device, "AO_0001", "\(name) air damper", "%", 0...100, 1, writable: true,
      .withPeople(quiet: 12, busy: 74, noise: 5))
    _ = add(
      device, "AO_0002", "\(name) reheat valve", "%", 0...100, 1, writable: true,
      .valve(setpoint: setpoint, measured: temperature, fan: nil, heating: true))
    _ = add(device, "BI_0001", "\(name) occupied", "", 0...1, 0, .occupied)
  }
}
