import Foundation
import TestSupport
import Testing

@Suite("The budget of upstream calls", .blocking)
struct BudgetTests {
  private static let set = Request.make("POST", Request.set, body: Request.setBody)

  /// - Parameter wait: the seconds in `Retry-After`.
  private static func expectRefused(_ response: TestMessage, wait: ClosedRange<Int> = 1...61) {
    #expect(response.outcome == "503 budget_spent")
    #expect(response["Retry-After"].flatMap { Int($0) }.map { wait.contains($0) } == true)
  }

  @Test func `polling beyond the budget returns older responses marked stale and sends no further calls`() throws {
    let lab = try Lab(.upstream(["budget": "{per_minute: 10}"])) { $0.routes["values"] = ["cache": "20ms"] }
    var sources: [String: Int] = [:]
    // Much longer than a response is fresh.
    try eventually("an response that is two seconds old", within: 20) {
      let response = try lab.call()
      #expect(response.status == 200)
      #expect(response.text.contains("ResultPointObjArr"))
      let source = response["X-Gateway-Source"] ?? "none"
      sources[source, default: 0] += 1
      #expect((source == "live") == (response["Age"] == nil))
      return source == "stale" && response["Age"].flatMap { Int($0) } ?? 0 >= 2
    }
    #expect(sources["stale"] ?? 0 > 3)
    // One call for the token, and at most eight reads: one of the ten is reserved for writes.
    let reads = lab.upstream.count(.values)
    #expect((3...8).contains(reads))
    #expect(lab.upstream.calls.count == reads + 1)
    // A request without a cached response is not delayed by the pace.
    #expect(try lab.call(Request.make(body: #"{"codes":["Q"]}"#)).status == 200)
    #expect(try lab.call(Self.set).status == 200)
    #expect(lab.upstream.count(.set) == 1)
    #expect(lab.upstream.calls.count <= 10)
  }

  @Test func `without a cache, reads are refused when their part is spent, and writes when all is`() throws {
    let lab = try Lab(.upstream(["budget": "{per_minute: 10}"]))
    // The token exchange counts.
    for _ in 0..<8 { #expect(try lab.call().status == 200) }
    for _ in 0..<3 { Self.expectRefused(try lab.call()) }
    #expect(try lab.call(Self.set).status == 200)
    Self.expectRefused(try lab.call(Self.set))
    #expect(lab.upstream.calls.count == 10)
    #expect(try lab.metric("gateway_upstream_requests_total", ["class": "shed", "operation": "values"]) == 3)
    // A token is still fetched, once, but no call follows.
    lab.upstream.revokeAccess()
    Self.expectRefused(try lab.call())
    #expect(lab.upstream.dataCalls.count == 9)
  }

  @Test func `a reload resets the budget only when its numbers change`() throws {
    var configuration = GatewayConfiguration.upstream(["budget": "{per_hour: 5}"])
    let lab = try Lab(configuration)
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    Self.expectRefused(try lab.call(), wait: 3_000...3_660)
    configuration.adapters["main"]?.settings["queue"] = "{size: 99, wait: 5s}"
    try lab.reload(configuration.text)
    Self.expectRefused(try lab.call(), wait: 3_000...3_660)
    configuration.adapters["main"]?.settings["budget"] = "{per_hour: 6}"
    try lab.reload(configuration.text)
    #expect(try lab.call().status == 200)
  }

  @Test func `a call that is shed before it is sent does not count in the budget`() throws {
    let lab = try Lab(
      .upstream([
        "budget": "{per_hour: 10}", "max_in_flight": "1", "queue": "{size: 0, wait: 1s}", "first_byte_timeout": "60s",
        "total_timeout": "60s",
      ]))
    let gate = Gate()
    defer { gate.open() }
    let holder = try lab.begin(.held(by: gate))
    for _ in 0..<20 { #expect(try lab.call().errorCode == "overloaded") }
    gate.open()
    #expect(try holder.receive().status == 200)
    for _ in 0..<7 { #expect(try lab.call().status == 200) }
    Self.expectRefused(try lab.call(), wait: 3_000...3_660)
  }
}
