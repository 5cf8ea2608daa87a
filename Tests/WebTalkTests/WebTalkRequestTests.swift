import AdapterAPI
import AdapterTestKit
import Testing
import WebTalk

@Suite("WebTalk: requests")
struct WebTalkRequestTests {
  static let paths: [AdapterAPI.Operation: String] = [
    .values: "getCodesVal", .history: "getCodesHisVal", .set: "setCodesVal", .forceSet: "forceSetCodesVal",
    .alarms: "getHisAlarms", .alarmConfigs: "getAlarmConfigs",
  ]

  @Test(arguments: AdapterAPI.Operation.allCases)
  func `each operation has its path, and only writes are marked as writes`(_ operation: AdapterAPI.Operation)
    async throws
  {
    let bench = try Bench()
    _ = try await bench.perform(operation, response: .whole(#"{"code":200}"#))
    let request = try #require(bench.client.requests.first)
    #expect(request.method == .post)
    #expect(request.target == "/_webtalk/_cur/api/\(try #require(Self.paths[operation]))")
    #expect(request.isWrite == (operation == .set || operation == .forceSet))
  }

  @Test func `a request has the application's id, the token and one content type before the caller's fields`()
    async throws
  {
    let bench = try Bench()
    var fields = Fields()
    try fields.append("content-TYPE", "application/json; charset=utf-8")
    try fields.append("X-Request-Id", "r-1")
    try fields.append("TOKEN", "callers-token")
    try fields.append("AppId", "another")
    try fields.append("Authorization", "Bearer x")
    try fields.append("traceparent", "00-1-2-01")
    _ = try await bench.perform(fields: fields, response: .whole(#"{"code":200}"#))
    let sent = String(decoding: try #require(bench.client.requests.first).fields.bytes, as: UTF8.self)
    #expect(
      sent
        == "appId: \(SimulatedWebTalk.appID)\r\nContent-Type: application/json\r\nToken: tok\r\nX-Request-Id: r-1\r\n"
        + "traceparent: 00-1-2-01\r\n")
  }

  @Test(arguments: AdapterAPI.Operation.allCases)
  func `prop goes upstream for values and history only`(_ operation: AdapterAPI.Operation) async throws {
    let bench = try Bench()
    var fields = Fields()
    try fields.append("Prop", "units")
    _ = try await bench.perform(operation, fields: fields, response: .whole(#"{"code":200}"#))
    let sent = try #require(bench.client.requests.first).fields["prop"]
    #expect(sent == (operation == .values || operation == .history ? "units" : nil))
  }

  @Test(arguments: [AdapterAPI.Operation.alarms, .alarmConfigs])
  func `an empty body is sent as an empty object`(_ operation: AdapterAPI.Operation) async throws {
    let bench = try Bench()
    _ = try await bench.perform(operation, body: "", response: .whole(#"{"code":200}"#))
    #expect(bench.client.requests.first?.body == Array("{}".utf8))
  }

  @Test func `the upstream identity contains the path of the base URL`() throws {
    #expect(try Bench().adapter.upstream.address == "http://gateway.test:8098/sub/path")
  }

  static let unusable: [([(String, String)], [String: String], String)] = [
    ([("base_url", "http://gateway.test"), ("app_id", "env:APP")], ["APP": "hush hush"], "app_id"),
    ([("base_url", "http://gateway.test"), ("app_id", "env:APP")], ["APP": "hush\r\nX: y"], "app_id"),
    ([("base_url", "http://gateway.test"), ("app_id", "hush")], [:], "app_id"),
    ([("base_url", "http://gateway.test")], [:], "app_id"),
    ([("base_url", "http://gateway.test"), ("app_id", "env:APP"), ("timezone", "UTC")], ["APP": "x"], "time_zone"),
  ]

  @Test(arguments: unusable.indices)
  func `invalid settings are refused with a message without the secret`(_ index: Int) {
    let (settings, environment, word) = Self.unusable[index]
    #expect {
      _ = try AdapterMaking.make(WebTalk.self, settings, environment: environment)
    } throws: { error in
      "\(error)".contains(word) && !"\(error)".contains("hush")
    }
  }
}
