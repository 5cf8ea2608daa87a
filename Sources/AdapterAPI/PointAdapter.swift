/// An adapter whose upstream speaks another language than the contract: typed points in, typed points out.
///
/// Reading the contract's JSON, checking it, and writing the answer are done here, once for all vendors:
///
/// * A body that does not say what the operation needs, or asks for more than `limits`, is refused with a sentence that
///   names the member; the adapter is not called.
/// * Give **one result for each point asked for**, in the same order. A point that could not be read is a `PointError`
///   and stands in the answer's `errors`; never invent a value for it. A code nobody knows is `PointError.unknown`.
/// * Throw an `AdapterError` only where the whole call failed.
/// * Times are answered in the spelling that the request used: naive local, or RFC 3339 with the caller's offset.
///
/// Implement the methods for the `operations` you declare; the others answer that the operation is not supported.
public protocol PointAdapter: Adapter {
  /// What one request may ask for.
  var limits: PointLimits { get }

  /// The present values, or another property of the same points.
  func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading]
  func history(_ query: HistoryQuery, _ call: Call) async throws(AdapterError) -> [PointHistory]
  /// Check that each point exists, is writable and in range and of its type; `force` leaves out writable and range.
  /// Write what can be written.
  func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult]
  func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm]
  func alarmConfigs(_ call: Call) async throws(AdapterError) -> [PointAlarmConfig]
}

extension PointAdapter {
  public var limits: PointLimits { PointLimits() }
  /// The answer is `PointAnswer`'s, whoever the vendor is.
  public static var merging: PointMerging? { PointAnswer.merging }

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

/// The contract's operations, in terms of the typed ones.
extension PointAdapter {
  public func values(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    let body = try decoder(request)
    let readings = try await values(of: try body.codes(), property: body.property, call)
    return PointAnswer.values(readings)
  }

  public func history(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    let (query, style) = try decoder(request).history()
    return PointAnswer.history(try await history(query, call), style)
  }

  public func set(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    PointAnswer.writes(try await write(try decoder(request).writes(), force: false, call))
  }

  public func forceSet(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    PointAnswer.writes(try await write(try decoder(request).writes(), force: true, call))
  }

  public func alarms(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    let (query, style) = try decoder(request).alarms()
    return PointAnswer.alarms(try await alarms(query, call), style)
  }

  public func alarmConfigs(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    _ = try decoder(request)
    return PointAnswer.alarmConfigs(try await alarmConfigs(call))
  }

  private func decoder(_ request: AdapterRequest) throws(AdapterError) -> PointRequest {
    guard Self.operations.contains(request.operation) else { throw .unsupported(request.operation.rawValue) }
    return try PointRequest(request, limits)
  }
}
