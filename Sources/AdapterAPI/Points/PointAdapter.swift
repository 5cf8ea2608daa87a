/// An adapter whose upstream speaks another language than the contract: typed points in, typed points out.
///
/// Decoding the contract's JSON, checking it, and encoding the response are done here, once for all vendors:
///
/// * A body that does not say what the operation needs, or asks for more than `limits`, is refused with a message that names the
///   member; the adapter is not called.
/// * Return **one result for each point of the request**, in the same order. A point that could not be read is a `PointError` and
///   appears in the response's `errors`; never invent a value for it. An unknown code is `PointError.unknown`.
/// * Throw an `AdapterError` only when the whole call failed.
/// * The response writes its times in the style of the request: naive local time, or RFC 3339 with the caller's offset.
///
/// Implement the methods of the operations that `operations` declares; a request for any other operation is refused before them.
/// Threads, cancellation and errors: see `Adapter`.
public protocol PointAdapter: Adapter {
  /// The size limits of one request.
  var limits: PointLimits { get }

  /// Returns the present values, or another property of the same points.
  ///
  /// - Parameter property: The field `prop` of the request; nil asks for the present value.
  func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading]
  /// Returns the samples of each point, oldest first.
  func history(_ query: HistoryQuery, _ call: Call) async throws(AdapterError) -> [PointHistory]
  /// Checks that each point exists, is writable, and that the value is in range and of the point's type; `force` skips the
  /// checks of writable and range. Writes the values that pass.
  func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult]
  /// Returns the alarms that were active at some moment of the query's time span.
  func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm]
  /// Returns all rules by which points raise alarms.
  func alarmConfigs(_ call: Call) async throws(AdapterError) -> [PointAlarmConfig]
}

extension PointAdapter {
  public var limits: PointLimits { PointLimits() }
  /// `PointResponse` writes the response for every vendor, so every vendor's `values` can be merged and split.
  public static var merging: PointMerging? { PointResponse.merging }

  /// Decodes the request, calls the operation's method, and encodes its result.
  public func perform(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    guard Self.operations.contains(request.operation) else { throw .unsupported(request.operation.rawValue) }
    let body = try PointRequest(request, limits)
    switch request.operation {
    case .values:
      return PointResponse.values(try await values(of: try body.codes(), property: body.property, call))
    case .history:
      let (query, style) = try body.history()
      return PointResponse.history(try await history(query, call), style)
    case .set, .forceSet:
      return PointResponse.writes(try await write(try body.writes(), force: request.operation == .forceSet, call))
    case .alarms:
      let (query, style) = try body.alarms()
      return PointResponse.alarms(try await alarms(query, call), style)
    case .alarmConfigs:
      return PointResponse.alarmConfigs(try await alarmConfigs(call))
    }
  }

  // For the operations that an adapter does not declare. `perform` never calls them.

  public func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading] {
    throw .unsupported(Operation.values.rawValue)
  }
  public func history(_ query: HistoryQuery, _ call: Call) async throws(AdapterError) -> [PointHistory] {
    throw .unsupported(Operation.history.rawValue)
  }
  public func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult]
  {
    throw .unsupported((force ? Operation.forceSet : .set).rawValue)
  }
  public func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm] {
    throw .unsupported(Operation.alarms.rawValue)
  }
  public func alarmConfigs(_ call: Call) async throws(AdapterError) -> [PointAlarmConfig] {
    throw .unsupported(Operation.alarmConfigs.rawValue)
  }
}
