/// What a point can hold.
public enum PointValue: Sendable, Hashable {
  case number(Double)
  case flag(Bool)
  case text(String)

  /// The value as a number: itself, 0 or 1, or what a text spells; nil for everything else, and for what is not finite.
  public var number: Double? {
    switch self {
    case .number(let number): number.isFinite ? number : nil
    case .flag(let flag): flag ? 1 : 0
    // `Double.init` knows hexadecimal, "inf" and "nan" too, which nobody means.
    case .text(let text) where !text.isEmpty && text.utf8.allSatisfy({ Self.decimal.contains($0) }):
      Double(text).flatMap { $0.isFinite ? $0 : nil }
    case .text: nil
    }
  }

  private static let decimal = Array("0123456789+-.eE".utf8)
}

/// Why one point of many could not be read or written; the others are not touched by it.
public struct PointError: Error, Sendable, Hashable {
  /// In the manner of HTTP: 404 unknown, 403 not writable, 422 value not acceptable, 5xx the upstream's fault.
  public let code: Int
  public let message: String

  public init(code: Int, _ message: String) {
    self.code = code
    self.message = message
  }

  /// A code that nobody knows.
  public static let unknown = PointError(code: 404, "No such point.")
}

/// A value and when it was so.
public struct PointSample: Sendable, Hashable {
  public let value: PointValue
  public let time: PointTime

  public init(_ value: PointValue, at time: PointTime) {
    self.value = value
    self.time = time
  }
}

/// What reading one point gave.
public struct PointReading: Sendable {
  public let pointID: String
  public let result: Result<PointSample, PointError>

  public init(_ pointID: String, _ result: Result<PointSample, PointError>) {
    self.pointID = pointID
    self.result = result
  }
}

/// What the history of one point gave, oldest first.
public struct PointHistory: Sendable {
  public let pointID: String
  public let result: Result<[PointSample], PointError>

  public init(_ pointID: String, _ result: Result<[PointSample], PointError>) {
    self.pointID = pointID
    self.result = result
  }
}

/// Which history is asked for: samples from `start` to `end`, both included where they fall on the interval.
public struct HistoryQuery: Sendable, Hashable {
  public let codes: [String]
  public let start: PointTime
  public let end: PointTime
  /// Seconds between samples, at least 1; nil: the adapter's choice.
  public let interval: Int?
  /// The header `prop`: another property of the same points.
  public let property: String?

  public init(codes: [String], start: PointTime, end: PointTime, interval: Int?, property: String?) {
    self.codes = codes
    self.start = start
    self.end = end
    self.interval = interval
    self.property = property
  }
}

/// One value that is to be written.
public struct PointWrite: Sendable, Hashable {
  public let pointID: String
  public let value: PointValue

  public init(_ pointID: String, _ value: PointValue) {
    self.pointID = pointID
    self.value = value
  }
}

/// What became of one write.
public struct PointWriteResult: Sendable {
  public let pointID: String
  /// Nil: written.
  public let error: PointError?

  public init(_ pointID: String, error: PointError? = nil) {
    self.pointID = pointID
    self.error = error
  }
}

/// Which alarms are asked for; nil where the caller set no bound.
public struct AlarmQuery: Sendable, Hashable {
  public let start: PointTime?
  public let end: PointTime?

  public init(start: PointTime?, end: PointTime?) {
    self.start = start
    self.end = end
  }
}

/// One alarm. What an upstream does not know is nil, and left out of the answer.
public struct PointAlarm: Sendable {
  public var alarmID: String
  public var pointID: String
  public var content: String?
  /// 1 is the most urgent.
  public var level: Int?
  /// `active` or `cleared`, or the upstream's own word.
  public var status: String?
  public var start: PointTime?
  public var end: PointTime?

  public init(
    alarmID: String, pointID: String, content: String? = nil, level: Int? = nil, status: String? = nil,
    start: PointTime? = nil, end: PointTime? = nil
  ) {
    self.alarmID = alarmID
    self.pointID = pointID
    self.content = content
    self.level = level
    self.status = status
    self.start = start
    self.end = end
  }
}

/// When a point raises an alarm. What an upstream does not know is nil, and left out of the answer.
public struct PointAlarmConfig: Sendable {
  public var configID: String
  public var pointID: String
  public var name: String?
  public var level: Int?
  public var high: Double?
  public var low: Double?
  public var deadband: Double?
  public var enabled: Bool?

  public init(
    configID: String, pointID: String, name: String? = nil, level: Int? = nil, high: Double? = nil, low: Double? = nil,
    deadband: Double? = nil, enabled: Bool? = nil
  ) {
    self.configID = configID
    self.pointID = pointID
    self.name = name
    self.level = level
    self.high = high
    self.low = low
    self.deadband = deadband
    self.enabled = enabled
  }
}

/// How much one request may ask of a typed adapter; beyond it the caller is told so.
public struct PointLimits: Sendable, Hashable {
  /// Codes in one reading request.
  public var codes = 5000
  /// Points in one write.
  public var writes = 1000
  /// Samples of one point in a history.
  public var samplesPerPoint = 10_000
  /// Samples of all points in a history together.
  public var samples = 250_000
  /// From start to end of a history or of a search for alarms.
  public var range = Duration.seconds(366 * 86400)
  /// Seconds between samples when the caller names none; what the limits on samples reckon with.
  public var defaultInterval = 600

  public init() {}
}
