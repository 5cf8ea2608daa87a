import AdapterAPI
import Synchronization
import Testing

/// A typed adapter that keeps what it is asked and answers what it is told.
private struct Echo: PointAdapter {
  static let typeName = "echo"
  static let operations: Set<AdapterAPI.Operation> = [.values, .history, .set, .forceSet, .alarms]

  final class Asked: Sendable {
    let history = Mutex<HistoryQuery?>(nil)
    let writes = Mutex<[PointWrite]>([])
    let alarms = Mutex<AlarmQuery?>(nil)
    let calls = Mutex(0)
  }

  let upstream = UpstreamIdentity(type: "echo", address: "", account: Secret(""))
  let asked = Asked()
  var limits = PointLimits()

  init() {}
  init(settings: Settings, context: AdapterContext) throws(ConfigError) {}

  func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading] {
    asked.calls.withLock { $0 += 1 }
    return codes.map { code in
      switch code {
      case "nan": PointReading(code, .success(PointSample(.number(.nan), at: PointTime(seconds: 0))))
      case "flag": PointReading(code, .success(PointSample(.flag(true), at: PointTime(seconds: 0))))
      case "prop": PointReading(code, .success(PointSample(.text(property ?? "none"), at: PointTime(seconds: 0))))
      case "gone": PointReading(code, .failure(PointError(code: 503, "The \"device\" is off.")))
      default: PointReading(code, .failure(.unknown))
      }
    }
  }

  func history(_ query: HistoryQuery, _ call: Call) async throws(AdapterError) -> [PointHistory] {
    asked.history.withLock { $0 = query }
    return query.codes.map { code in
      PointHistory(
        code,
        .success([PointSample(.number(1.5), at: query.start), PointSample(.number(.infinity), at: query.start)]))
    }
  }

  func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult] {
    asked.writes.withLock { $0 = writes }
    return writes.map { PointWriteResult($0.pointID, error: $0.pointID == "bad" && !force ? .unknown : nil) }
  }

  func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm] {
    asked.alarms.withLock { $0 = query }
    return [PointAlarm(alarmID: "1", pointID: "P", level: 2, start: query.start)]
  }
}

@Suite("Points: the contract's JSON")
struct PointAdapterTests {
  private func answer(
    _ operation: AdapterAPI.Operation, _ body: String, prop: String? = nil, from echo: Echo = Echo()
  ) async throws -> (text: String, verdict: AdapterResponse.Verdict) {
    var fields = Fields()
    if let prop { try fields.append("prop", prop) }
    let answer = try await echo.perform(
      AdapterRequest(operation: operation, fields: fields, body: Array(body.utf8)),
      Call(token: nil, deadline: .distantFuture))
    #expect(answer.status == 200)
    #expect(JSONShape.check(answer.body.prefix) == nil)
    return (String(decoding: answer.body.prefix, as: UTF8.self), answer.verdict)
  }

  private func message(_ operation: AdapterAPI.Operation, _ body: String, from echo: Echo = Echo()) async -> String? {
    do throws(AdapterError) {
      _ = try await echo.perform(
        AdapterRequest(operation: operation, body: Array(body.utf8)), Call(token: nil, deadline: .distantFuture))
      return nil
    } catch {
      return error.code == .badRequest ? error.message : nil
    }
  }

  @Test func `points that could not be read stand in errors, and the envelope stays 200`() async throws {
    let (text, verdict) = try await answer(.values, #"{"codes":["flag","nan","gone","who"]}"#)
    let json = try JSONValue(parsing: Array(text.utf8))
    #expect(
      text.hasPrefix(#"{"code":200,"msg":"success","ResultPointObjArr":[{"pointId":"flag","value":true,"time":""#))
    #expect(json["ResultPointObjArr"]?.array?.count == 1)
    #expect(json["errors"]?.array?.compactMap { $0["pointId"]?.string } == ["nan", "gone", "who"])
    #expect(json["errors"]?.array?.compactMap { $0["code"]?.double } == [502, 503, 404])
    #expect(verdict == .ok)
  }

  @Test func `prop becomes the property`() async throws {
    #expect(try await answer(.values, #"{"codes":["prop"]}"#, prop: "units").text.contains(#""value":"units""#))
    #expect(try await answer(.values, #"{"codes":["prop"]}"#, prop: "").text.contains(#""value":"none""#))
  }

  @Test func `history is asked in types and answered in the caller's own spelling of time`() async throws {
    let echo = Echo()
    let (text, _) = try await answer(
      .history,
      #"{"codes":["P"],"starttime":"2026-06-20T10:00:00+02:00","endtime":"2026-06-20T12:00:00Z","interval":"60"}"#,
      from: echo)
    let query = try #require(echo.asked.history.withLock { $0 })
    #expect(query.start.seconds == 1_781_942_400)
    #expect(query.end.seconds == 1_781_956_800)
    #expect(query.interval == 60)
    #expect(text.contains(#""data":[{"value":1.5,"time":"2026-06-20T10:00:00+02:00"}]"#))
    let (naive, _) = try await answer(
      .history, #"{"codes":["P"],"starttime":"2026-06-20 10:00:00","endtime":"2026-06-20 12:00:00"}"#)
    #expect(naive.contains(#""time":"2026-06-20 10:00:00""#))
  }

  @Test func `a refused point makes the envelope 422 and the written ones are listed`() async throws {
    let body =
      #"{"aryPoints":[{"pointId":"good","value":1.5},{"pointId":"bad","value":true},{"pointId":"too","value":"7"}]}"#
    let echo = Echo()
    let (text, verdict) = try await answer(.set, body, from: echo)
    let json = try JSONValue(parsing: Array(text.utf8))
    #expect(json["code"]?.double == 422)
    #expect(json["written"] == .array([.string("good"), .string("too")]))
    #expect(json["errors"]?.array?.count == 1)
    #expect(verdict == .businessError(code: 422))
    #expect(echo.asked.writes.withLock { $0.map(\.value) } == [.number(1.5), .flag(true), .text("7")])
    #expect(try await answer(.forceSet, body).text == #"{"code":200,"msg":"success"}"#)
  }

  @Test func `alarms leave out what is not known`() async throws {
    let (text, _) = try await answer(.alarms, #"{"starttime":"2026-06-20T00:00:00Z","endtime":""}"#)
    #expect(
      text
        == #"{"code":200,"msg":"success","ResultAlarmArr":[{"alarmId":"1","pointId":"P","level":2,"#
        + #""starttime":"2026-06-20T00:00:00Z"}]}"#
    )
    #expect(try await answer(.alarms, "").text.contains("ResultAlarmArr"))
  }

  @Test(arguments: [
    (AdapterAPI.Operation.values, "{}", "'codes' is missing"), (.values, #"{"codes":"P"}"#, "'codes' must be an array"),
    (.values, #"{"codes":[]}"#, "'codes' is empty"), (.values, #"{"codes":["P",7]}"#, "'codes[1]'"),
    (.values, #"{"codes":[""]}"#, "'codes[0]'"),
    (.history, #"{"codes":["P"],"endtime":"2026-06-20 00:00:00"}"#, "'starttime'"),
    (.history, #"{"codes":["P"],"starttime":"2026-06-20 00:00:00"}"#, "'endtime' is missing"),
    (
      .history, #"{"codes":["P"],"starttime":"20.6.2026","endtime":"2026-06-20 00:00:00"}"#,
      "'starttime' must be a time"
    ),
    (
      .history, #"{"codes":["P"],"starttime":"2026-06-21 00:00:00","endtime":"2026-06-20 00:00:00"}"#,
      "'endtime' is before"
    ),
    (
      .history, #"{"codes":["P"],"starttime":"2000-06-21 00:00:00","endtime":"2026-06-20 00:00:00"}"#,
      "at most 366 days"
    ),
    (
      .history, #"{"codes":["P"],"starttime":"2026-06-19 00:00:00","endtime":"2026-06-20 00:00:00","interval":1}"#,
      "'interval'"
    ),
    (
      .history, #"{"codes":["P"],"starttime":"2026-06-19 00:00:00","endtime":"2026-06-20 00:00:00","interval":0}"#,
      "'interval'"
    ),
    (.set, "{}", "'aryPoints' is missing"), (.set, #"{"aryPoints":{}}"#, "'aryPoints' must be an array"),
    (.set, #"{"aryPoints":[]}"#, "'aryPoints' is empty"), (.set, #"{"aryPoints":["P"]}"#, "'aryPoints[0]'"),
    (.set, #"{"aryPoints":[{"value":1}]}"#, "'aryPoints[0].pointId'"),
    (.forceSet, #"{"aryPoints":[{"pointId":"P","value":1},{"pointId":"P"}]}"#, "'aryPoints[1].value' is missing"),
    (.set, #"{"aryPoints":[{"pointId":"P","value":null}]}"#, "'aryPoints[0].value'"),
    (.set, #"{"aryPoints":[{"pointId":"P","value":1e999}]}"#, "too large"), (.values, "[]", "object"),
    (.values, "{", "too early"),
    (.alarms, #"{"starttime":7}"#, "'starttime'"),
  ])
  func `a body that asks wrongly is refused with the member's name`(
    _ operation: AdapterAPI.Operation, _ body: String, _ expected: String
  ) async throws {
    let message = try #require(await message(operation, body))
    #expect(message.contains(expected))
  }

  @Test func `more than the limits is refused before the adapter is asked`() async throws {
    var echo = Echo()
    echo.limits.codes = 3
    echo.limits.writes = 1
    echo.limits.samples = 10
    #expect(await message(.values, #"{"codes":["a","b","c","d"]}"#, from: echo)?.contains("at most 3") == true)
    #expect(echo.asked.calls.withLock { $0 } == 0)
    #expect(await message(.values, #"{"codes":["a","b","c"]}"#, from: echo) == nil)
    #expect(echo.asked.calls.withLock { $0 } == 1)
    let writes = #"{"aryPoints":[{"pointId":"a","value":1},{"pointId":"b","value":1}]}"#
    #expect(await message(.set, writes, from: echo)?.contains("at most 1") == true)
    let history =
      #"{"codes":["a","b"],"starttime":"2026-06-20 00:00:00","endtime":"2026-06-20 01:00:00","interval":600}"#
    #expect(await message(.history, history, from: echo)?.contains("at most 10 are answered in all") == true)
  }

  @Test func `what is not declared is unsupported, and the body is not even read`() async {
    await #expect {
      _ = try await Echo().perform(
        AdapterRequest(operation: .alarmConfigs, body: Array("nonsense".utf8)),
        Call(token: nil, deadline: .distantFuture))
    } throws: { ($0 as? AdapterError)?.code == .unsupported }
  }
}
