import AdapterAPI

/// A simulated building without an upstream: for demonstrations, for tests, and as the example of a typed adapter.
///
/// Every value is computed from the seed, the point and the time, so a history needs no memory and equal requests have equal
/// responses; only written values are stored. Like a real upstream it issues tokens that end and refresh tokens that are accepted
/// once, it can be slow (`latency`) and it can fail: `error_rate` is the share of calls that fail as if the upstream were
/// unreachable, before anything was done.
public struct Mock: PointAdapter {
  public static let typeName = "mock"
  public static let operations = Set(Operation.allCases)
  /// `X-Gateway-Source` of every response says that the values are simulated.
  public static let source = "mock"

  public static let settings = [
    SettingDescription("points", "integer", default: "60", "the number of points, 1 to 100000"),
    SettingDescription("seed", "integer", default: "42", "selects the building; the same seed gives the same values"),
    SettingDescription("latency", "duration", default: "0ms", "the duration of each call"),
    SettingDescription(
      "error_rate", "share", default: "0%", "the share of calls that fail as if the upstream were unreachable"),
    SettingDescription("token_life", "duration", default: "2h", "the life of an access token"),
  ]

  public let upstream: UpstreamIdentity
  public let limits: PointLimits
  let building: MockBuilding
  private let state: MockState
  private let clock: any GatewayClock
  private let latency: Duration
  private let errorRate: Double
  private let seed: UInt64

  public init(settings: Settings, context: AdapterContext) throws(ConfigError) {
    let points = settings.integer("points", default: 60, in: 1...100_000)
    let seed = settings.integer("seed", default: 42)
    latency = settings.duration("latency", default: .zero, in: .zero ... .seconds(60))
    errorRate = settings.share("error_rate", default: 0)
    let tokenLife = settings.duration("token_life", default: .seconds(7200), in: .seconds(1) ... .seconds(31_536_000))
    self.seed = UInt64(bitPattern: Int64(seed))
    clock = context.clock
    building = MockBuilding(points: points, seed: self.seed)
    state = MockState(tokenLife: tokenLife)
    upstream = UpstreamIdentity(type: Mock.typeName, address: "mock:\(seed)", account: Secret("mock"))
    var limits = PointLimits()
    limits.range = .seconds(92 * 86400)
    limits.samples = 100_000
    self.limits = limits
  }

  public func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    try await delayOrFail(deadline)
    return try state.issueToken(for: current, now: clock.now(), wall: clock.wall())
  }

  public func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading] {
    try await enter(call)
    let now = PointTime(seconds: clock.wall() / 1000)
    var zone = LocalZone()
    let moment = MockMoment(now, &zone)
    let writes = state.writes
    return codes.map { code in
      guard let index = building.index(of: code) else { return PointReading(code, .failure(.unknown)) }
      guard let property, !Self.presentValue.contains(property) else {
        return PointReading(code, .success(PointSample(.number(building.value(index, moment, writes)), at: now)))
      }
      let point = building.points[index]
      let text: String
      switch property {
      case "units": text = point.unit
      case "objectName", "object-name": text = point.id
      case "description": text = point.name
      default: return PointReading(code, .failure(PointError(code: 400, "The point has no such property.")))
      }
      return PointReading(code, .success(PointSample(.text(text), at: now)))
    }
  }

  /// The names of the property that `values` and `history` read by default.
  private static let presentValue: Set<String> = ["presentValue", "present-value", "value"]

  public func history(_ query: HistoryQuery, _ call: Call) async throws(AdapterError) -> [PointHistory] {
    try await enter(call)
    if let property = query.property, !Self.presentValue.contains(property) {
      let error = PointError(code: 400, "The point has no history of that property.")
      return query.codes.map { PointHistory($0, .failure(error)) }
    }
    let end = min(query.end.seconds, clock.wall() / 1000)
    let interval = Int64(query.interval ?? limits.defaultInterval)
    var zone = LocalZone()
    var moments: [MockMoment] = []
    var time = query.start.seconds
    while time <= end {
      moments.append(MockMoment(PointTime(seconds: time), &zone))
      time += interval
    }
    let writes = state.writes
    var histories: [PointHistory] = []
    histories.reserveCapacity(query.codes.count)
    for code in query.codes {
      guard let index = building.index(of: code) else {
        histories.append(PointHistory(code, .failure(.unknown)))
        continue
      }
      let samples = moments.map { PointSample(.number(building.value(index, $0, writes)), at: $0.time) }
      histories.append(PointHistory(code, .success(samples)))
      // Long computation: let the thread's other tasks run between points, and stop when the caller has left.
      await Task.yield()
      if Task.isCancelled { throw .cancelled() }
    }
    return histories
  }

  public func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult]
  {
    try await enter(call)
    let now = clock.wall() / 1000
    var accepted: [(index: Int, value: Double)] = []
    let results = writes.map { write in
      guard let index = building.index(of: write.pointID) else {
        return PointWriteResult(write.pointID, error: .unknown)
      }
      switch building.points[index].check(write.value, force: force) {
      case .success(let value):
        accepted.append((index, value))
        return PointWriteResult(write.pointID)
      case .failure(let error): return PointWriteResult(write.pointID, error: error)
      }
    }
    state.write(accepted, at: now)
    return results
  }

  public func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm] {
    try await enter(call)
    let now = clock.wall() / 1000
    let end = min(query.end?.seconds ?? now, now)
    let start = query.start?.seconds ?? end - 86400
    guard end - start <= limits.range.components.seconds else {
      throw .badRequest(
        "'starttime' may be at most \(limits.range.components.seconds / 86400) days back without an 'endtime'.")
    }
    return building.alarms(from: start, to: end, now: now)
  }

  public func alarmConfigs(_ call: Call) async throws(AdapterError) -> [PointAlarmConfig] {
    try await enter(call)
    return building.alarmConfigs
  }

  /// Does what a real upstream does before it acts: takes its time, fails sometimes, checks the token.
  func enter(_ call: Call) async throws(AdapterError) {
    try await delayOrFail(call.deadline)
    guard let token = call.token, state.accepts(token, now: clock.now()) else {
      throw .tokenRejected("the mock adapter issued no such token, or it has ended")
    }
  }

  private func delayOrFail(_ deadline: Instant) async throws(AdapterError) {
    if latency > .zero {
      let ready = clock.now() + latency
      do {
        try await clock.sleep(until: min(ready, deadline))
      } catch {
        throw .cancelled()
      }
      if ready > deadline {
        throw AdapterError(.timeout, "The upstream did not respond in time.", detail: "latency of the mock adapter")
      }
    }
    if errorRate > 0, MockNoise.share(seed, state.nextCall()) < errorRate {
      throw AdapterError(.unreachable, "The upstream could not be reached.", detail: "error_rate of the mock adapter")
    }
  }
}
