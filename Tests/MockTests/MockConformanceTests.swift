import AdapterAPI
import AdapterTestKit
import Mock
import TestSupport
import Testing

@Suite("Mock: conformance")
struct MockConformanceTests {
  @Test(arguments: AdapterConformance.Check.allCases)
  func `the mock conforms`(_ check: AdapterConformance.Check) async throws {
    let conformance = AdapterConformance(
      isRaw: false,
      bodies: [
        .values: #"{"codes":["C_5001_AV_0001","C_5900_AI_0001"]}"#,
        .history: #"{"codes":["C_5900_AI_0001"],"starttime":"2026-06-16T00:00:00Z","endtime":"2026-06-17T00:00:00Z"}"#,
        .set: #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":19}]}"#,
        .forceSet: #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":99}]}"#,
        .alarms: "", .alarmConfigs: "{}",
      ]
    ) {
      let log = CollectingLog()
      return AdapterConformance.Subject(adapter: try AdapterMaking.make(Mock.self, [], log: log), log: log)
    }
    try await conformance.run(check)
  }
}

@Suite("Mock: tokens, slowness and failures")
struct MockCircumstancesTests {
  let request = AdapterRequest(operation: .values, body: Array(#"{"codes":["C_5001_AV_0001"]}"#.utf8))

  @Test func `a token ends after its life, and its refresh token is accepted once`() async throws {
    let house = try House([("token_life", "10m")])
    let call = try await house.call()
    #expect(call.token?.lifetime == 600_000)
    house.clock.advance(by: .seconds(599))
    _ = try await house.adapter.perform(request, call)
    house.clock.advance(by: .seconds(1))
    #expect(await adapterError { try await house.adapter.perform(request, call) }?.code == .tokenRejected)
    #expect(await house.refreshError(call.token) == nil)
    #expect(await house.refreshError(call.token)?.code == .refreshRejected)
  }

  @Test func `latency elapses on the host's clock, and the deadline ends it`() async throws {
    let clock = TestClock(isEager: true)
    let house = try House([("latency", "250ms")], clock: clock)
    let start = clock.now()
    let call = try await house.call()
    #expect(clock.now() - start == .milliseconds(250))
    let short = Call(token: call.token, deadline: clock.now() + .milliseconds(100))
    #expect(await adapterError { try await house.adapter.perform(request, short) }?.code == .timeout)
    #expect(clock.now() - start == .milliseconds(350))
  }

  @Test func `cancelling the task ends the latency`() async throws {
    let house = try House([("latency", "1s")])
    let task = Task { await house.refreshError(nil) }
    try #require(await eventually { house.clock.sleepers > 0 }, "the call waits for its latency")
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func `error_rate is the share of calls that fail without acting`() async throws {
    let house = try House([("error_rate", "25%")])
    var failed = 0
    for _ in 0..<1000 {
      guard let error = await house.refreshError(nil) else { continue }
      #expect(error.code == .unreachable && !error.mayHaveActed)
      failed += 1
    }
    #expect((200...300).contains(failed))
    let never = try House([("error_rate", "100%")])
    await #expect(throws: AdapterError.self) { _ = try await never.call() }
  }

  @Test(arguments: [
    ("points", "0"), ("points", "100001"), ("token_life", "0s"), ("error_rate", "101%"), ("latency", "-1s"),
  ])
  func `settings out of range are refused`(_ key: String, _ value: String) {
    #expect(throws: SettingsRejected.self) { _ = try House([(key, value)]) }
  }
}
