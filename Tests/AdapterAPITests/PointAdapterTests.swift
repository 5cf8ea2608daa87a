import AdapterAPI
import Synchronization
import Testing

/// A typed adapter that records its queries and returns fixed results.
private struct Echo: PointAdapter {
  static let typeName = "echo"
  static let operations: Set<AdapterAPI.Operation> = [.values, .history, .set, .forceSet, .alarms]

  final class Recorded: Sendable {
    let history = Mutex<HistoryQuery?>(nil)
    let writes = Mutex<[PointWrite]>([])
    let alarms = Mutex<AlarmQuery?>(nil)
    let calls = Mutex(0)
  }

  let upstream = UpstreamIdentity(type: "echo", address: "", account: Secret(""))
  let recorded = Recorded()
  var limits = PointLimits()

  init() {}
  init(settings: Settings, context: AdapterContext) throws(ConfigError) {}

  func values(of codes: [String], property: String?, _ call: Call) async throws(AdapterError) -> [PointReading] {
    recorded.calls.withLock { $0 += 1 }
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
    recorded.history.withLock { $0 = query }
    return query.codes.map { code in
      PointHistory(
        code,
        .success([PointSample(.number(1.5), at: query.start), PointSample(.number(.infinity), at: query.start)]))
    }
  }

  func write(_ writes: [PointWrite], force: Bool, _ call: Call) async throws(AdapterError) -> [PointWriteResult] {
    recorded.writes.withLock { $0 = writes }
    return writes.map { PointWriteResult($0.pointID, error: $0.pointID == "bad" && !force ? .unknown : nil) }
  }

  func alarms(_ query: AlarmQuery, _ call: Call) async throws(AdapterError) -> [PointAlarm] {
    recorded.alarms.withLock { $0 = query }
    return [PointAlarm(alarmID: "1", pointID: "P", level: 2, start: query.start)]
  }
}

@Suite("Points: the contract's JSON")
struct PointAdapterTests {
  private func response(
    _ operation: AdapterAPI.Operation, _ body: String, prop: String? = nil, from echo: Echo = Echo()
  ) async throws -> (text: String, verdict: AdapterResponse.Verdict) {
    var fields = Fields()
    if let prop { try fields.append("prop", prop) }
    let response = try await echo.perform(
      AdapterRequest(operation: operation, fields: fields, body: Array(body.utf8)),
      Call(token: nil, deadline: .distantFuture))
    #expect(response.status == 200)
    #expect(JSONShape.check(response.body.prefix) == nil)
    return (String(decoding: response.body.prefix, as: UTF8.self), response.verdict)
  }

  private static func history(_ start: String, _ end: String, _ members: String = "") -> String {
    #"{"codes":["P"],"starttime":"\#(start)","endtime":"\#(end)"\#(members)}"#
  }

  private func message(_ operation: AdapterAPI.Operation, _ body: String, from echo: Echo = Echo()) async -> String? {
    do {
      _ = try await response(operation, body, from: echo)
      return nil
    } catch {
      return (error as? AdapterError).flatMap { $0.code == .badRequest ? $0.message : nil }
    }
  }

  @Test func `values lists points that could not be read in errors, with code 200`() async throws {
    let (text, verdict) = try await response(.values, #"{"codes":["flag","nan","gone","unknown"]}"#)
    let json = try JSONValue(parsing: Array(text.utf8))
    #expect(
      text.hasPrefix(#"{"code":200,"msg":"success","ResultPointObjArr":[{"pointId":"flag","value":true,"time":""#))
    #expect(json["ResultPointObjArr"]?.array?.count == 1)
    #expect(json["errors"]?.array?.compactMap { $0["pointId"]?.string } == ["nan", "gone", "unknown"])
    #expect(json["errors"]?.array?.compactMap { $0["code"]?.double } == [502, 503, 404])
    #expect(verdict == .ok)
  }

  @Test func `values passes the field prop as the property, and nil when it is empty`() async throws {
    #expect(try await response(.values, #"{"codes":["prop"]}"#, prop: "units").text.contains(#""value":"units""#))
    #expect(try await response(.values, #"{"codes":["prop"]}"#, prop: "").text.contains(#""value":"none""#))
  }

  @Test func `history decodes the query and writes times in the style of the request`() async throws {
    let echo = Echo()
    let body = Self.history("2026-06-20T10:00:00+02:00", "2026-06-20T12:00:00Z", #","interval":"60""#)
    let (text, _) = try await response(.history, body, from: echo)
    let query = try #require(echo.recorded.history.withLock { $0 })
    #expect(query.start.seconds == 1_781_942_400)
    #expect(query.end.seconds == 1_781_956_800)
    #expect(query.interval == 60)
    #expect(text.contains(#""data":[{"value":1.5,"time":"2026-06-20T10:00:00+02:00"}]"#))
    let (naive, _) = try await response(.history, Self.history("2026-06-20 10:00:00", "2026-06-20 12:00:00"))
    #expect(naive.contains(#""time":"2026-06-20 10:00:00""#))
  }

  @Test func `set with a refused point has code 422 and lists the written points`() async throws {
    let body =
      #"{"aryPoints":[{"pointId":"good","value":1.5},{"pointId":"bad","value":true},{"pointId":"too","value":"7"}]}"#
    let echo = Echo()
    let (text, verdict) = try await response(.set, body, from: echo)
    let json = try JSONValue(parsing: Array(text.utf8))
    #expect(json["code"]?.double == 422)
    #expect(json["written"] == .array([.string("good"), .string("too")]))
    #expect(json["errors"]?.array?.count == 1)
    #expect(verdict == .businessError(code: 422))
    #expect(echo.recorded.writes.withLock { $0.map(\.value) } == [.number(1.5), .flag(true), .text("7")])
    #expect(try await response(.forceSet, body).text == #"{"code":200,"msg":"success"}"#)
  }

  @Test func `alarms leaves out unknown properties`() async throws {
    let (text, _) = try await response(.alarms, #"{"starttime":"2026-06-20T00:00:00Z","endtime":""}"#)
    #expect(
      text
        == #"{"code":200,"msg":"success","ResultAlarmArr":[{"alarmId":"1","pointId":"P","level":2,"#
        + #""starttime":"2026-06-20T00:00:00Z"}]}"#
    )
    #expect(try await response(.alarms, "").text.contains("ResultAlarmArr"))
  }

  @Test(arguments: [
    (AdapterAPI.Operation.values, "{}", "'codes' is missing"), (.values, #"{"codes":"P"}"#, "'codes' must be an array"),
    (.values, #"{"codes":[]}"#, "'codes' is empty"), (.values, #"{"codes":["P",7]}"#, "'codes[1]'"),
    (.values, #"{"codes":[""]}"#, "'codes[0]'"),
    (.history, #"{"codes":["P"],"endtime":"2026-06-20 00:00:00"}"#, "'starttime'"),
    (.history, #"{"codes":["P"],"starttime":"2026-06-20 00:00:00"}"#, "'endtime' is missing"),
    (.history, history("20.6.2026", "2026-06-20 00:00:00"), "'starttime' must be a time"),
    (.history, history("2026-06-21 00:00:00", "2026-06-20 00:00:00"), "'endtime' is before"),
    (.history, history("2000-06-21 00:00:00", "2026-06-20 00:00:00"), "at most 366 days"),
    (.history, history("2026-06-19 00:00:00", "2026-06-20 00:00:00", #","interval":1"#), "'interval'"),
    (.history, history("2026-06-19 00:00:00", "2026-06-20 00:00:00", #","interval":0"#), "'interval'"),
    (.set, "{}", "'aryPoints' is missing"), (.set, #"{"aryPoints":{}}"#, "'aryPoints' must be an array"),
    (.set, #"{"aryPoints":[]}"#, "'aryPoints' is empty"), (.set, #"{"aryPoints":["P"]}"#, "'aryPoints[0]'"),
    (.set, #"{"aryPoints":[{"value":1}]}"#, "'aryPoints[0].pointId'"),
    (.forceSet, #"{"aryPoints":[{"pointId":"P","value":1},{"pointId":"P"}]}"#, "'aryPoints[1].value' is missing"),
    (.set, #"{"aryPoints":[{"pointId":"P","value":null}]}"#, "'aryPoints[0].value'"),
    (.set, #"{"aryPoints":[{"pointId":"P","value":1e999}]}"#, "too large"), (.values, "[]", "object"),
    (.values, "{", "too early"),
    (.alarms, #"{"starttime":7}"#, "'starttime'"),
  ])
  func `an invalid body is refused with a message that names the member`(
    _ operation: AdapterAPI.Operation, _ body: String, _ expected: String
  ) async throws {
    let message = try #require(await message(operation, body))
    #expect(message.contains(expected))
  }

  @Test func `a request over a limit is refused before the adapter is called`() async throws {
    var echo = Echo()
    echo.limits.codes = 3
    echo.limits.writes = 1
    echo.limits.samples = 10
    #expect(await message(.values, #"{"codes":["a","b","c","d"]}"#, from: echo)?.contains("at most 3") == true)
    #expect(echo.recorded.calls.withLock { $0 } == 0)
    #expect(await message(.values, #"{"codes":["a","b","c"]}"#, from: echo) == nil)
    #expect(echo.recorded.calls.withLock { $0 } == 1)
    let writes = #"{"aryPoints":[{"pointId":"a","value":1},{"pointId":"b","value":1}]}"#
    #expect(await message(.set, writes, from: echo)?.contains("at most 1") == true)
    let history =
      #"{"codes":["a","b"],"starttime":"2026-06-20 00:00:00","endtime":"2026-06-20 01:00:00","interval":600}"#
    #expect(await message(.history, history, from: echo)?.contains("at most 10 are allowed in all") == true)
  }

  @Test func `an undeclared operation is unsupported, whatever its body`() async {
    await #expect {
      _ = try await Echo().perform(
        AdapterRequest(operation: .alarmConfigs, body: Array("nonsense".utf8)),
        Call(token: nil, deadline: .distantFuture))
    } throws: { ($0 as? AdapterError)?.code == .unsupported }
  }
}
