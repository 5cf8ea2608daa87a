import Foundation
import TestSupport
import Testing

@Suite("The upstream may be asked so often and no oftener", .blocking)
struct BudgetTests {
  private static let set = Request.make("POST", Request.set, body: Request.setBody)

  private static func expectRefused(_ answer: Answer) {
    #expect(answer.status == 503)
    #expect(answer.errorCode == "budget_spent")
    #expect(answer["Retry-After"].flatMap { Int($0) }.map { (1...61).contains($0) } == true)
  }

  @Test("polling is stretched: older answers, marked as such, and never more calls than the budget has")
  func stretched() throws {
    var configuration = GatewayConfiguration.upstream(["budget": "{per_minute: 10}"])
    configuration.routes["values"] = ["cache": "20ms"]
    let lab = try Lab(configuration)
    var sources: [String: Int] = [:]
    // Far longer than the answers are fresh.
    try eventually("an answer that is two seconds old", within: 20) {
      let answer = try lab.call()
      #expect(answer.status == 200)
      #expect(answer.text.contains("ResultPointObjArr"))
      let source = answer["X-Gateway-Source"] ?? "none"
      sources[source, default: 0] += 1
      #expect((source == "live") == (answer["Age"] == nil))
      return source == "stale" && answer["Age"].flatMap { Int($0) } ?? 0 >= 2
    }
    #expect(sources["stale"] ?? 0 > 3)
    // A token, and at most what is left of nine: one is the writes'.
    let reads = lab.upstream.count(.values)
    #expect((3...8).contains(reads))
    #expect(lab.upstream.calls.count == reads + 1)
    // What somebody else asks for is nobody's older answer, and is not held up by the pace.
    #expect(try lab.call(Request.make(body: #"{"codes":["Q"]}"#)).status == 200)
    #expect(try lab.call(Self.set).status == 200)
    #expect(lab.upstream.count(.set) == 1)
    #expect(lab.upstream.calls.count <= 10)
  }

  @Test("without a cache reading is refused when its part is used up, writing when all is")
  func refused() throws {
    let lab = try Lab(.upstream(["budget": "{per_minute: 10}"]))
    // The token counts.
    for _ in 0..<8 { #expect(try lab.call().status == 200) }
    for _ in 0..<3 { Self.expectRefused(try lab.call()) }
    #expect(try lab.call(Self.set).status == 200)
    Self.expectRefused(try lab.call(Self.set))
    #expect(lab.upstream.calls.count == 10)
    #expect(try lab.metric("gateway_upstream_requests_total", ["class": "shed", "operation": "values"]) == 3)
    // A token is fetched even so, once; and nothing is sent with it.
    lab.upstream.revokeAccess()
    Self.expectRefused(try lab.call())
    #expect(lab.upstream.dataCalls.count == 9)
  }

  @Test("a reload gives nobody his calls again, unless the numbers change")
  func reload() throws {
    var configuration = GatewayConfiguration.upstream(["budget": "{per_hour: 5}"])
    let lab = try Lab(configuration)
    for _ in 0..<3 { #expect(try lab.call().status == 200) }
    Self.expectRefusedForLong(try lab.call())
    configuration.adapters["main"]?.settings["queue"] = "{size: 99, wait: 5s}"
    try lab.reload(configuration.text)
    Self.expectRefusedForLong(try lab.call())
    configuration.adapters["main"]?.settings["budget"] = "{per_hour: 6}"
    try lab.reload(configuration.text)
    #expect(try lab.call().status == 200)
  }

  private static func expectRefusedForLong(_ answer: Answer) {
    #expect(answer.status == 503 && answer.errorCode == "budget_spent")
    #expect(answer["Retry-After"].flatMap { Int($0) }.map { (3_000...3_660).contains($0) } == true)
  }

  @Test("what was shed before it left costs nothing")
  func shedCostsNothing() throws {
    let lab = try Lab(
      .upstream([
        "budget": "{per_hour: 10}", "max_in_flight": "1", "queue": "{size: 0, wait: 1s}", "first_byte_timeout": "60s",
        "total_timeout": "60s",
      ]))
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.script(.held(by: gate))
    let holder = try lab.connect()
    holder.send(Request.make())
    try eventually("the call that holds the place") { lab.upstream.dataCalls.count == 1 }
    for _ in 0..<20 { #expect(try lab.call().errorCode == "overloaded") }
    gate.open()
    #expect(try holder.receive().status == 200)
    for _ in 0..<7 { #expect(try lab.call().status == 200) }
    Self.expectRefusedForLong(try lab.call())
  }
}
