import AdapterAPI

/// One point of the building: its name, its range, and the signal that drives it.
struct MockPoint: Sendable {
  let id: String
  let name: String
  let unit: String
  let range: ClosedRange<Double>
  /// The number of decimals.
  let decimals: Int
  let isWritable: Bool
  let signal: MockSignal
  /// Makes this point's noise differ from that of other points.
  let salt: UInt64
  let alarm: MockAlarmRule?

  var isBinary: Bool { range == 0...1 && decimals == 0 }

  /// Returns the value that a write sets, or the reason why it is refused. `force` skips the checks of writable and range, not that
  /// of the type.
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

/// The signal that drives a point until it is written. An index names another, earlier point.
enum MockSignal: Sendable {
  case outdoorTemperature, outdoorHumidity, sunshine, wind
  /// Constant.
  case fixed(Double)
  /// On in working hours.
  case workingHours
  /// Follows the occupancy between two values.
  case withPeople(quiet: Double, busy: Double, noise: Double)
  /// Like `withPeople` while the fan runs, else `idle`.
  case whileFanRuns(fan: Int, idle: Double, quiet: Double, busy: Double, noise: Double)
  case supplyTemperature(setpoint: Int, fan: Int)
  case mixedTemperature(outdoorDamper: Int, returned: Int)
  /// Opens in proportion to the distance of `measured` below (heating) or above (cooling) the setpoint.
  case valve(setpoint: Int, measured: Int, fan: Int?, heating: Bool)
  /// Grows for 90 days, until the filter is changed.
  case filterPressure(fan: Int)
  case proportional(to: Int, factor: Double)
  /// On while the fan's command is on.
  case running(fan: Int)
  case alarmFlag
  case roomTemperature(setpoint: Int)
  case occupied
  /// Follows the week's load, in kW; `meter` is its integral, in kWh.
  case power(base: Double, peak: Double)
  case meter(base: Double, peak: Double, start: Double)
}

/// The rule by which a point raises an alarm, and the alarm's text.
struct MockAlarmRule: Sendable {
  let content: String
  /// 1 is the most urgent.
  let level: Int
  let high: Double
  let deadband: Double
}
