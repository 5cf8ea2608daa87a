/// Encodes the results of typed operations in the contract's envelope.
enum PointResponse {
  /// The form of the responses that `values` writes.
  static let merging = PointMerging(
    codes: "codes",
    arrays: [
      PointMerging.Elements("ResultPointObjArr"), PointMerging.Elements("errors", isLeftOutWhenEmpty: true),
    ],
    id: "pointId", common: ["code", "msg"])

  /// Lists the points that could not be read in `errors`; the envelope's code stays 200.
  static func values(_ readings: [PointReading]) -> AdapterResponse {
    var times = PointTimeWriter(.local)
    var errors: [(String, PointError)] = []
    return envelope(capacity: 64 + readings.count * 80) { json in
      json.member("ResultPointObjArr", arrayOf: readings) { json, reading in
        switch reading.result.flatMap(checked) {
        case .success(let sample):
          json.object {
            $0.member("pointId", reading.pointID)
            write(sample, &$0, &times)
          }
        case .failure(let error): errors.append((reading.pointID, error))
        }
      }
      write(errors, &json)
    }
  }

  static func history(_ histories: [PointHistory], _ style: PointTime.Style) -> AdapterResponse {
    var times = PointTimeWriter(style)
    var errors: [(String, PointError)] = []
    return envelope(capacity: 256) { json in
      json.member("ResultPointObjArr", arrayOf: histories) { json, history in
        switch history.result {
        case .success(let samples):
          json.object { json in
            json.member("pointId", history.pointID)
            // A sample without a finite value is a gap, as a missing sample is.
            json.member("data", arrayOf: samples) { json, sample in
              if (try? checked(sample).get()) != nil { json.object { write(sample, &$0, &times) } }
            }
          }
        case .failure(let error): errors.append((history.pointID, error))
        }
      }
      write(errors, &json)
    }
  }

  /// If any point was refused, the envelope's code is 422 and lists the points that were written.
  static func writes(_ results: [PointWriteResult]) -> AdapterResponse {
    let refused = results.compactMap { result in result.error.map { (result.pointID, $0) } }
    guard !refused.isEmpty else { return envelope(capacity: 40) { _ in } }
    let json = JSONWriter.object(capacity: 128 + results.count * 100) { json in
      json.member("code", 422)
      json.member("msg", "\(refused.count) of \(results.count) points were refused.")
      json.member("written", results.filter { $0.error == nil }.map(\.pointID))
      write(refused, &json)
    }
    return AdapterResponse(json: json, verdict: .businessError(code: 422))
  }

  static func alarms(_ alarms: [PointAlarm], _ style: PointTime.Style) -> AdapterResponse {
    var times = PointTimeWriter(style)
    return list("ResultAlarmArr", alarms, capacity: 200) { alarm, json in
      json.member("alarmId", alarm.alarmID)
      json.member("pointId", alarm.pointID)
      member("content", alarm.content, &json)
      member("level", alarm.level, &json)
      member("status", alarm.status, &json)
      member("starttime", alarm.start.map { times.text($0) }, &json)
      member("endtime", alarm.end.map { times.text($0) }, &json)
    }
  }

  static func alarmConfigs(_ configs: [PointAlarmConfig]) -> AdapterResponse {
    list("ResultAlarmConfigArr", configs, capacity: 160) { config, json in
      json.member("configId", config.configID)
      json.member("pointId", config.pointID)
      member("name", config.name, &json)
      member("level", config.level, &json)
      member("high", config.high, &json)
      member("low", config.low, &json)
      member("deadband", config.deadband, &json)
      if let enabled = config.enabled { json.member("enabled", enabled) }
    }
  }

  /// Writes the envelope of a success, and what `body` adds to it.
  private static func envelope(capacity: Int, _ body: (inout JSONWriter) -> Void) -> AdapterResponse {
    AdapterResponse(
      json: JSONWriter.object(capacity: capacity) { json in
        json.member("code", 200)
        json.member("msg", "success")
        body(&json)
      })
  }

  /// Writes an envelope with one array of objects.
  private static func list<Element>(
    _ key: String, _ elements: [Element], capacity: Int, _ body: (Element, inout JSONWriter) -> Void
  ) -> AdapterResponse {
    envelope(capacity: 64 + elements.count * capacity) { json in
      json.member(key, arrayOf: elements) { json, element in json.object { body(element, &$0) } }
    }
  }

  private static func write(_ errors: [(String, PointError)], _ json: inout JSONWriter) {
    guard !errors.isEmpty else { return }
    json.member("errors", arrayOf: errors) { json, entry in
      json.object {
        $0.member("pointId", entry.0)
        $0.member("code", entry.1.code)
        $0.member("error", entry.1.message)
      }
    }
  }

  /// JSON has no infinity and no NaN: such a point is an error, never a 0.
  private static func checked(_ sample: PointSample) -> Result<PointSample, PointError> {
    if case .number(let number) = sample.value, !number.isFinite {
      return .failure(PointError(code: 502, "The point has no finite value."))
    }
    return .success(sample)
  }

  private static func write(_ sample: PointSample, _ json: inout JSONWriter, _ times: inout PointTimeWriter) {
    json.key("value")
    switch sample.value {
    case .number(let number): json.number(number)
    case .flag(let flag): json.flag(flag)
    case .text(let text): json.string(text)
    }
    json.member("time", times.text(sample.time))
  }

  // Members that are left out when their value is nil.

  private static func member(_ key: String, _ text: String?, _ json: inout JSONWriter) {
    if let text { json.member(key, text) }
  }

  private static func member(_ key: String, _ number: Int?, _ json: inout JSONWriter) {
    if let number { json.member(key, number) }
  }

  private static func member(_ key: String, _ number: Double?, _ json: inout JSONWriter) {
    guard let number, number.isFinite else { return }
    json.key(key)
    json.number(number)
  }
}
