import AdapterAPI
import AdapterTestKit
import Testing
import WebTalk

@Suite("WebTalk: conformance")
struct WebTalkConformanceTests {
  @Test(arguments: AdapterConformance.Check.allCases)
  func `WebTalk conforms`(_ check: AdapterConformance.Check) async throws {
    let conformance = AdapterConformance(
      isRaw: true,
      bodies: [
        .values: #"{"codes":["C_5001_AV_0001"]}"#,
        .history: #"{"codes":["C_5001_AV_0001"],"starttime":"2026-06-20 00:00:00","endtime":"2026-06-21 00:00:00"}"#,
        .set: #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":1}]}"#,
        .forceSet: #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":1}]}"#,
        .alarms: "", .alarmConfigs: "",
      ],
      secrets: [SimulatedWebTalk.appID]
    ) {
      let upstream = SimulatedWebTalk()
      let bench = try Bench(ScriptedHTTPClient { upstream.respond(to: $0) })
      return AdapterConformance.Subject(adapter: bench.adapter, log: bench.log, client: bench.client)
    }
    try await conformance.run(check)
  }
}
