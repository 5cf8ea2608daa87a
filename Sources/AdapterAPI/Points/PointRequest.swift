/// Decodes the contract's request bodies. Every problem becomes `.badRequest` with a message that names the member.
struct PointRequest {
  private let body: JSONValue
  private let limits: PointLimits
  /// The field `prop`; nil when it is absent or empty.
  let property: String?

  init(_ request: AdapterRequest, _ limits: PointLimits) throws(AdapterError) {
    if request.body.isEmpty, request.operation == .alarms || request.operation == .alarmConfigs {
      body = .object([])
    } else {
      do {
        body = try JSONValue(parsing: request.body)
      } catch {
        throw .badRequest(error.message)
      }
      guard case .object = body else { throw .badRequest("The body must be a JSON object.") }
    }
    self.limits = limits
    property = request.allFields["\(ContractField.property.name)"].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// `codes`: at least one text, none of them empty.
  func codes() throws(AdapterError) -> [String] {
    guard let member = body["codes"] else {
      throw .badRequest("'codes' is missing; send the points' ids, like {\"codes\":[\"C_5001_AV_0001\"]}.")
    }
    guard let elements = member.array else { throw .badRequest("'codes' must be an array of texts.") }
    guard !elements.isEmpty else { throw .badRequest("'codes' is empty; name at least one point.") }
    guard elements.count <= limits.codes else {
      throw .badRequest("'codes' has \(elements.count) points; one request may have at most \(limits.codes).")
    }
    var codes: [String] = []
    codes.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard let code = element.string, !code.isEmpty else {
        throw .badRequest("'codes[\(index)]' must be a text that is not empty.")
      }
      codes.append(code)
    }
    return codes
  }

  func history() throws(AdapterError) -> (query: HistoryQuery, style: PointTime.Style) {
    let codes = try codes()
    guard let (start, style) = try time("starttime") else { throw missing("starttime") }
    guard let (end, _) = try time("endtime") else { throw missing("endtime") }
    try checkRange(start, end)
    let interval = try interval()
    // The range is limited, so this cannot overflow.
    let samples = Int(end.seconds - start.seconds) / max(interval ?? limits.defaultInterval, 1) + 1
    guard samples <= limits.samplesPerPoint else {
      throw .badRequest(
        "The history would have \(samples) values for each point; at most \(limits.samplesPerPoint) are allowed."
          + " Ask for a longer 'interval' or a shorter time.")
    }
    guard samples.multipliedReportingOverflow(by: codes.count).overflow == false,
      samples * codes.count <= limits.samples
    else {
      throw .badRequest(
        "The history would have \(samples) values for each of \(codes.count) points; at most \(limits.samples) are"
          + " allowed in all. Ask for fewer 'codes', a longer 'interval' or a shorter time.")
    }
    return (HistoryQuery(codes: codes, start: start, end: end, interval: interval, property: property), style)
  }

  /// `aryPoints`: objects with `pointId` and `value`.
  func writes() throws(AdapterError) -> [PointWrite] {
    guard let member = body["aryPoints"] else {
      throw .badRequest(
        "'aryPoints' is missing; send the values to write, like"
          + " {\"aryPoints\":[{\"pointId\":\"C_5001_AV_0001\",\"value\":1}]}."
      )
    }
    guard let elements = member.array else { throw .badRequest("'aryPoints' must be an array of objects.") }
    guard !elements.isEmpty else { throw .badRequest("'aryPoints' is empty; name at least one point.") }
    guard elements.count <= limits.writes else {
      throw .badRequest(
        "'aryPoints' has \(elements.count) points; one request may write at most \(limits.writes).")
    }
    var writes: [PointWrite] = []
    writes.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard case .object = element else { throw .badRequest("'aryPoints[\(index)]' must be an object.") }
      guard let pointID = element["pointId"]?.string, !pointID.isEmpty else {
        throw .badRequest("'aryPoints[\(index)].pointId' must be a text that is not empty.")
      }
      writes.append(PointWrite(pointID, try value(element["value"], of: index)))
    }
    return writes
  }

  private func value(_ member: JSONValue?, of index: Int) throws(AdapterError) -> PointValue {
    switch member {
    case .flag(let flag): return .flag(flag)
    case .string(let text): return .text(text)
    case .number(let text):
      guard let number = Double(text), number.isFinite else {
        throw .badRequest("'aryPoints[\(index)].value' is a number that is too large.")
      }
      return .number(number)
    case nil: throw .badRequest("'aryPoints[\(index)].value' is missing.")
    case .null, .array, .object:
      throw .badRequest("'aryPoints[\(index)].value' must be a number, a text, true or false.")
    }
  }

  func alarms() throws(AdapterError) -> (query: AlarmQuery, style: PointTime.Style) {
    let start = try time("starttime")
    let end = try time("endtime")
    if let start, let end { try checkRange(start.0, end.0) }
    return (AlarmQuery(start: start?.0, end: end?.0), start?.1 ?? end?.1 ?? .local)
  }

  private func checkRange(_ start: PointTime, _ end: PointTime) throws(AdapterError) {
    guard end >= start else { throw .badRequest("'endtime' is before 'starttime'.") }
    let days = limits.range.components.seconds / 86400
    guard end.seconds - start.seconds <= limits.range.components.seconds else {
      throw .badRequest("The time from 'starttime' to 'endtime' may be at most \(days) days.")
    }
  }

  /// Returns the time of a member; nil when the member is absent, null or an empty text.
  private func time(_ key: String) throws(AdapterError) -> (PointTime, PointTime.Style)? {
    switch body[key] {
    case nil, .null?, .string("")?: return nil
    case .string(let text)?:
      if let parsed = PointTime.parse(text) { return parsed }
    default: break
    }
    throw .badRequest("'\(key)' must be a time like \"2026-06-20 00:00:00\" (local) or \"2026-06-20T00:00:00Z\".")
  }

  private func missing(_ key: String) -> AdapterError {
    .badRequest("'\(key)' is missing; send a time like \"2026-06-20 00:00:00\" (local) or \"2026-06-20T00:00:00Z\".")
  }

  /// `interval`: whole seconds, as a number or as a text with one. Nil when the member is absent or null.
  private func interval() throws(AdapterError) -> Int? {
    let number: Double?
    switch body["interval"] {
    case nil, .null?: return nil
    case .number(let text)?, .string(let text)?: number = PointValue.text(text).number
    default: number = nil
    }
    guard let number, number >= 1, number <= 31_622_400, let seconds = Int(exactly: number) else {
      throw .badRequest("'interval' must be a whole number of seconds, from 1 to 31622400.")
    }
    return seconds
  }
}
