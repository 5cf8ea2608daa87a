/// Writes the contract's envelope.
enum PointResponse {
  /// What `values` below writes, for those who cut it.
  static let merging = PointMerging(
    codes: "codes",
    arrays: [
      PointMerging.Elements("ResultPointObjArr"), PointMerging.Elements("errors", isLeftOutWhenEmpty: true),
    ],
    id: "pointId", common: ["code", "msg"])

  /// Points that could not be read stand in `errors`; the envelope's code stays 200.
  static func values(_ readings: [PointReading]) -> AdapterResponse {
    var times = PointTimeWriter(.local)
    var errors: [(String, PointError)] = []
    var json = envelope(capacity: 64 + readings.count * 80)
    json.key("ResultPointObjArr")
    json.beginArray()
    for reading in readings {
      switch reading.result.flatMap(checked) {
      case .success(let sample):
        json.beginObject()
        json.key("pointId")
        json.string(reading.pointID)
        write(sample, &json, &times)
        json.endObject()
      case .failure(let error): errors.append((reading.pointID, error))
      }
    }
    json.endArray()
    return finish(&json, errors)
  }

  static func history(_ histories: [PointHistory], _ style: PointTime.Style) -> AdapterResponse {
    var times = PointTimeWriter(style)
    var errors: [(String, PointError)] = []
    var json = envelope(capacity: 256)
    json.key("ResultPointObjArr")
    json.beginArray()
    for history in histories {
      switch history.result {
      case .success(let samples):
        json.beginObject()
        json.key("pointId")
        json.string(history.pointID)
        json.key("data")
        json.beginArray()
        // A moment without a finite value is a gap, as a missing sample is.
        for sample in samples where (try? checked(sample).get()) != nil {
          json.beginObject()
          write(sample, &json, &times)
          json.endObject()
        }
        json.endArray()
        json.endObject()
      case .failure(let error): errors.append((history.pointID, error))
      }
    }
    json.endArray()
    return finish(&json, errors)
  }

  /// If any point was refused the envelope's code is 422, and what was written is listed.
  static func writes(_ results: [PointWriteResult]) -> AdapterResponse {
    let refused = results.compactMap { result in result.error.map { (result.pointID, $0) } }
    guard !refused.isEmpty else {
      var json = envelope(capacity: 40)
      return finish(&json, [])
    }
    var json = JSONWriter(capacity: 128 + results.count * 100)
    json.beginObject()
    json.key("code")
    json.integer(422)
    json.key("msg")
    json.string("\(refused.count) of \(results.count) points were refused.")
    json.key("written")
    json.beginArray()
    for result in results where result.error == nil { json.string(result.pointID) }
    json.endArray()
    return finish(&json, refused, verdict: .businessError(code: 422))
  }

  static func alarms(_ alarms: [PointAlarm], _ style: PointTime.Style) -> AdapterResponse {
    var times = PointTimeWriter(style)
    var json = envelope(capacity: 64 + alarms.count * 200)
    json.key("ResultAlarmArr")
    json.beginArray()
    for alarm in alarms {
      json.beginObject()
      member("alarmId", alarm.alarmID, &json)
      member("pointId", alarm.pointID, &json)
      member("content", alarm.content, &json)
      member("level", alarm.level.map(Double.init), &json)
      member("status", alarm.status, &json)
      member("starttime", alarm.start.map { times.text($0) }, &json)
      member("endtime", alarm.end.map { times.text($0) }, &json)
      json.endObject()
    }
    json.endArray()
    return finish(&json, [])
  }

  static func alarmConfigs(_ configs: [PointAlarmConfig]) -> AdapterResponse {
    var json = envelope(capacity: 64 + configs.count * 160)
    json.key("ResultAlarmConfigArr")
    json.beginArray()
    for config in configs {
      json.beginObject()
      member("configId", config.configID, &json)
      member("pointId", config.pointID, &json)
      member("name", config.name, &json)
      member("level", config.level.map(Double.init), &json)
      member("high", config.high, &json)
      member("low", config.low, &json)
      member("deadband", config.deadband, &json)
      if let enabled = config.enabled {
        json.key("enabled")
        json.flag(enabled)
      }
      json.endObject()
    }
    json.endArray()
    return finish(&json, [])
  }

  private static func envelope(capacity: Int) -> JSONWriter {
    var json = JSONWriter(capacity: capacity)
    json.beginObject()
    json.key("code")
    json.integer(200)
    json.key("msg")
    json.string("success")
    return json
  }

  private static func finish(
    _ json: inout JSONWriter, _ errors: [(String, PointError)], verdict: AdapterResponse.Verdict = .ok
  ) -> AdapterResponse {
    if !errors.isEmpty {
      json.key("errors")
      json.beginArray()
      for (pointID, error) in errors {
        json.beginObject()
        json.key("pointId")
        json.string(pointID)
        json.key("code")
        json.integer(error.code)
        json.key("error")
        json.string(error.message)
        json.endObject()
      }
      json.endArray()
    }
    json.endObject()
    return AdapterResponse(json: json.bytes, verdict: verdict)
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
    json.key("time")
    json.string(times.text(sample.time))
  }

  private static func member(_ key: String, _ text: String?, _ json: inout JSONWriter) {
    guard let text else { return }
    json.key(key)
    json.string(text)
  }

  private static func member(_ key: String, _ number: Double?, _ json: inout JSONWriter) {
    guard let number, number.isFinite else { return }
    json.key(key)
    json.number(number)
  }
}
