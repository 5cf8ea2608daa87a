import AdapterAPI

/// One point of the building: what it is called, what it may hold, and what moves it.
struct MockPoint: Sendable {
  let id: String
  let name: String
  let unit: String
  let range: ClosedRange<Double>
  /// Digits after the point.
  let decimals: Int
  let isWritable: Bool
  let signal: MockSignal
  /// Tells this point's noise from the others'.
  let salt: UInt64
  let alarm: MockAlarmRule?

  var isBinary: Bool { range == 0...1 && decimals == 0 }

  /// What a write would set the point to, or why it is refused. `force` leaves out writable and range, never the type.
  func check(_ value: PointValue, force: Bool) -> Result<Double, PointError> {
    guard isWritable || force else { return .failure(PointError(code: 403, "The point cannot be written.")) }
    guard let number = value.number else {
      return .failure(PointError(code: 422, isBinary ? "The point takes 0 or 1." : "The point takes a number."))
    }
    if isBinary {
      guard number == 0 || number == 1 else { return .failure(PointError(code: 422, "The point takes 0 or 1.")) }
      return .success(number)
    }
    if case .flag = value { return .failure(PointError(code: 422, "The point takes a number.")) }
    guard force || range.contains(number) else {
      return .failure(
        PointError(
          code: 422,
          "The value must be from \(range.lowerBound) to \(range.upperBound)\(unit.isEmpty ? "" : " \(unit)")."))
    }
    return .success(number)
  }
}

/// What moves a point when nobody has written to it. An index names another point, always an earlier one.
enum MockSignal: Sendable {
  case outdoorTemperature, outdoorHumidity, sunshine, wind
  /// Stays where it is put.
  case fixed(Double)
  /// On in working hours.
  case workingHours
  /// Between two values, with the people in the building.
  case withPeople(quiet: Double, busy: Double, noise: Double)
  /// As `withPeople` while the fan runs, else another value.
  case whileFanRuns(fan: Int, idle: Double, quiet: Double, busy: Double, noise: Double)
  case supplyTemperature(setpoint: Int, fan: Int)
  case mixedTemperature(outdoorDamper: Int, returned: Int)
  /// Opens in proportion to how far `measured` is below (heating) or above (cooling) the setpoint.
  case valve(setpoint: Int, measured: Int, fan: Int?, heating: Bool)
  /// Grows for 90 days until somebody changes the filter.
  case filterPressure(fan: Int)
  case proportional(to: Int, factor: Double)
  /// On while the fan is told to run.
  case running(fan: Int)
  case alarmFlag
  case roomTemperature(setpoint: Int)
  case occupied
  /// Follows the week's load, in kW; `meter` is its integral, in kWh.
  case power(base: Double, peak: Double)
  case meter(base: Double, peak: Double, start: Double)
}

/// When a point raises an alarm, and which.
struct MockAlarmRule: Sendable {
  let content: String
  /// 1 is the most urgent.
  let level: Int
  let high: Double
  let deadband: Double
}
