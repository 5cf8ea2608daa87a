/// A value that a point can hold.
public enum PointValue: Sendable, Hashable {
  case number(Double)
  case flag(Bool)
  case text(String)

  /// The value as a finite number: a flag is 0 or 1, a text is parsed as a decimal number; else nil.
  public var number: Double? {
    switch self {
    case .number(let number): number.isFinite ? number : nil
    case .flag(let flag): flag ? 1 : 0
    // `Double.init` would accept hexadecimal numbers, "inf" and "nan" too.
    case .text(let text) where !text.isEmpty && text.utf8.allSatisfy({ Self.decimal.contains($0) }):
      Double(text).flatMap { $0.isFinite ? $0 : nil }
    case .text: nil
    }
  }

  private static let decimal = Array("0123456789+-.eE".utf8)
}

/// The reason why one point of a request could not be read or written. The request's other points are not affected.
public struct PointError: Error, Sendable, Hashable {
  /// Like an HTTP status: 404 unknown, 403 not writable, 422 value not acceptable, 5xx a failure of the upstream.
  public let code: Int
  /// A full sentence for the caller.
  public let message: String

  public init(code: Int, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The upstream has no point with the code.
  public static let unknown = PointError(code: 404, "No such point.")
}

/// A point's value at a moment.
public struct PointSample: Sendable, Hashable {
  public let value: PointValue
  public let time: PointTime

  public init(_ value: PointValue, at time: PointTime) {
    self.value = value
    self.time = time
  }
}

/// The result of reading one point.
public struct PointReading: Sendable {
  /// The code as the request wrote it.
  public let pointID: String
  public let result: Result<PointSample, PointError>

  public init(_ pointID: String, _ result: Result<PointSample, PointError>) {
    self.pointID = pointID
    self.result = result
  }
}

/// The history of one point.
public struct PointHistory: Sendable {
  /// The code as the request wrote it.
  public let pointID: String
  /// The samples, oldest first.
  public let result: Result<[PointSample], PointError>

  public init(_ pointID: String, _ result: Result<[PointSample], PointError>) {
    self.pointID = pointID
    self.result = result
  }
}

/// A request for history: the samples from `start` to `end`, both included when they fall on the interval.
public struct HistoryQuery: Sendable, Hashable {
  public let codes: [String]
  public let start: PointTime
  public let end: PointTime
  /// Seconds between samples, at least 1; nil leaves it to the adapter.
  public let interval: Int?
  /// The field `prop` of the request; nil asks for the present value.
  public let property: String?

  public init(codes: [String], start: PointTime, end: PointTime, interval: Int?, property: String?) {
    self.codes = codes
    self.start = start
    self.end = end
    self.interval = interval
    self.property = property
  }
}

/// One value to write.
public struct PointWrite: Sendable, Hashable {
  public let pointID: String
  public let value: PointValue

  public init(_ pointID: String, _ value: PointValue) {
    self.pointID = pointID
    self.value = value
  }
}

/// The result of one write.
public struct PointWriteResult: Sendable {
  public let pointID: String
  /// Nil when the value was written.
  public let error: PointError?

  public init(_ pointID: String, error: PointError? = nil) {
    self.pointID = pointID
    self.error = error
  }
}

/// A request for alarms; a bound that the caller did not set is nil.
public struct AlarmQuery: Sendable, Hashable {
  public let start: PointTime?
  public let end: PointTime?

  public init(start: PointTime?, end: PointTime?) {
    self.start = start
    self.end = end
  }
}

/// One alarm. A property that the upstream does not know is nil, and left out of the response.
public struct PointAlarm: Sendable {
  public var alarmID: String
  public var pointID: String
  public var content: String?
  /// 1 is the most urgent.
  public var level: Int?
  /// `active` or `cleared`, or the upstream's own word.
  public var status: String?
  /// The alarm's beginning and end; the end of an active alarm is nil.
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

/// A rule by which a point raises an alarm. A property that the upstream does not know is nil, and left out of the response.
public struct PointAlarmConfig: Sendable {
  public var configID: String
  public var pointID: String
  public var name: String?
  /// 1 is the most urgent.
  public var level: Int?
  /// An alarm begins above `high` or below `low`, in the point's unit, and ends `deadband` inside that limit.
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

/// The size limits of one request to a typed adapter. A larger request is refused with a message that names the limit.
public struct PointLimits: Sendable, Hashable {
  /// The number of codes in a reading request.
  public var codes = 5000
  /// The number of points in a write.
  public var writes = 1000
  /// The number of samples of one point in a history.
  public var samplesPerPoint = 10_000
  /// The number of samples of all points together in a history.
  public var samples = 250_000
  /// The time from start to end of a history or of a search for alarms.
  public var range = Duration.seconds(366 * 86400)
  /// Seconds between samples when the caller names none, for computing the number of samples.
  public var defaultInterval = 600

  public init() {}
}
