import AdapterAPI
import AdapterTestKit
import Testing

@testable import Mock

@Suite("Mock: the listing")
struct MockListingTests {
  private func pages(_ house: House) async throws -> [ObjectPage] {
    let call = try await house.call()
    var pages = [try await house.adapter.objects(nil, call)]
    while let next = pages.last?.next { pages.append(try await house.adapter.objects(next, call)) }
    return pages
  }

  @Test(arguments: [(1, [1]), (499, [499]), (500, [500]), (501, [500, 1]), (1200, [500, 500, 200])])
  func `the listing has every point, in pages`(_ count: Int, _ sizes: [Int]) async throws {
    let house = try House([("points", "\(count)")])
    let pages = try await pages(house)
    #expect(pages.map(\.objects.count) == sizes)
    #expect(pages.flatMap(\.objects).map(\.code) == house.adapter.building.points.map(\.id))
  }

  @Test(arguments: [
    ("C_5001_AV_0001", "actuator", #"{"unit":"°C","range":{"min":14,"max":26},"writable":true}"#),
    ("C_5001_BO_0001", "actuator", #"{"range":{"min":0,"max":1},"writable":true}"#),
    ("C_5900_AI_0001", "sensor", #"{"unit":"°C","range":{"min":-40,"max":60},"writable":false}"#),
    ("C_5930_AI_0002", "meter", #"{"unit":"kWh","range":{"min":0,"max":1000000000},"writable":false}"#),
    ("C_5930-5_AV_0000", "actuator", #"{"unit":"kW","range":{"min":0,"max":500},"writable":true}"#),
  ])
  func `a listed point has its type, unit, range and writability`(
    _ code: String, _ type: String, _ metadata: String
  ) async throws {
    let object = try #require(try await pages(House()).flatMap(\.objects).first { $0.code == code })
    #expect(object.type == type)
    #expect(!object.name.isEmpty)
    #expect(object.description == nil)
    #expect(String(decoding: JSONValue.object(object.metadata).serialized, as: UTF8.self) == metadata)
  }

  @Test(arguments: ["", "0", "-500", "+500", "0500", "499", "1000", "1500", "9223372036854775808", "500 ", "x"])
  func `a cursor that no page gave is refused`(_ cursor: String) async throws {
    let house = try House([("points", "1000")])
    let call = try await house.call()
    #expect(await adapterError { try await house.adapter.objects(cursor, call) }?.code == .badRequest)
  }

  @Test func `the listing has the latency and the error rate of every call`() async throws {
    let clock = TestClock(isEager: true)
    let slow = try House([("latency", "250ms")], clock: clock)
    let call = try await slow.call()
    let start = clock.now()
    _ = try await slow.adapter.objects(nil, call)
    #expect(clock.now() - start == .milliseconds(250))

    let failing = try House([("error_rate", "100%")])
    let token = try Token(access: "x", refresh: "", expiresAt: .max, lifetime: .max)
    let known = Call(token: token, deadline: .distantFuture)
    #expect(await adapterError { try await failing.adapter.objects(nil, known) }?.code == .unreachable)
  }
}
