import AdapterAPI
import AdapterTestKit
import Testing

@testable import Mock

@Suite("Mock: reading and writing")
struct MockWritingTests {
  @Test func `an unknown point is an error 404, not a value`() async throws {
    let json = try await House().json(.values, #"{"codes":["NOPE","C_5001_AV_0001"]}"#)
    #expect(json["code"]?.double == 200)
    #expect(json["ResultPointObjArr"]?.array?.compactMap { $0["pointId"]?.string } == ["C_5001_AV_0001"])
    let error = try #require(json["errors"]?.array?.first)
    #expect(error["pointId"]?.string == "NOPE")
    #expect(error["code"]?.double == 404)
  }

  @Test func `a written value is read back, and history has the values before and after`() async throws {
    let house = try House()
    #expect(try await house.value("C_5001_AV_0001") == 18)
    house.clock.advance(by: .seconds(60))
    #expect(try await house.write("C_5001_AV_0001", "19.25")["code"]?.double == 200)
    #expect(try await house.value("C_5001_AV_0001") == 19.25)
    #expect(try await house.write("C_5001_AV_0001", "\"20\"")["code"]?.double == 200)
    #expect(try await house.value("C_5001_AV_0001") == 20)
    house.clock.advance(by: .seconds(60))
    let body =
      #"{"codes":["C_5001_AV_0001"],"starttime":"2026-06-17T10:30:00Z","endtime":"2026-06-17T10:32:00Z","interval":60}"#
    #expect(try await house.history(body).compactMap { $0["value"]?.double } == [18, 20, 20])
  }

  @Test func `a room follows its setpoint`() async throws {
    let house = try House()
    let before = try #require(try await house.value("C_5101_AI_0001"))
    _ = try await house.write("C_5101_AV_0001", "27")
    house.clock.advance(by: .seconds(2 * 3600))
    let after = try #require(try await house.value("C_5101_AI_0001"))
    #expect(after > before + 3)
  }

  @Test(arguments: [
    ("NOPE", "1", 404), ("C_5900_AI_0001", "1", 403), ("C_5001_AV_0001", "40", 422), ("C_5001_AV_0001", "\"x\"", 422),
    ("C_5001_AV_0001", "true", 422), ("C_5001_AV_0001", "\"0x10\"", 422), ("C_5001_AV_0001", "\"inf\"", 422),
    ("C_5001_BO_0001", "2", 422), ("C_5001_BO_0001", "0.5", 422),
  ])
  func `set refuses a value that the point does not accept`(_ code: String, _ value: String, _ expected: Int)
    async throws
  {
    let json = try await House().write(code, value)
    #expect(json["code"]?.double == 422)
    #expect(json["errors"]?.array?.first?["code"]?.double == Double(expected))
    #expect(json["written"] == .array([]))
  }

  @Test(arguments: [("true", 1.0), ("0", 0), ("\"1\"", 1), ("false", 0)])
  func `a binary point accepts 0 and 1 in every form and reads as a number`(_ value: String, _ shown: Double)
    async throws
  {
    let house = try House()
    #expect(try await house.write("C_5001_BO_0001", value)["code"]?.double == 200)
    #expect(try await house.value("C_5001_BO_0001") == shown)
  }

  @Test func `force-set skips the checks of range and writable only`() async throws {
    let house = try House()
    #expect(try await house.write("C_5001_AV_0001", "40", force: true)["code"]?.double == 200)
    #expect(try await house.value("C_5001_AV_0001") == 40)
    #expect(try await house.write("C_5900_AI_0001", "-5", force: true)["code"]?.double == 200)
    #expect(try await house.value("C_5900_AI_0001") == -5)
    #expect(try await house.write("NOPE", "1", force: true)["code"]?.double == 422)
    #expect(try await house.write("C_5001_BO_0001", "2", force: true)["code"]?.double == 422)
  }

  @Test func `the largest numbers cause no crash`() async throws {
    let house = try House()
    for value in ["1.7e308", "-1.7e308", "1.7e308"] {
      #expect(try await house.write("C_5101_AV_0001", value, force: true)["code"]?.double == 200)
      house.clock.advance(by: .seconds(60))
    }
    let json = try await house.json(.values, #"{"codes":["C_5101_AV_0001","C_5101_AI_0001","C_5101_AO_0002"]}"#)
    let results = (json["ResultPointObjArr"]?.array?.count ?? 0) + (json["errors"]?.array?.count ?? 0)
    #expect(results == 3)
  }

  @Test func `set carries out and lists the accepted writes`() async throws {
    let house = try House()
    let json = try await house.json(
      .set, #"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":20},{"pointId":"NOPE","value":1}]}"#)
    #expect(json["code"]?.double == 422)
    #expect(json["written"] == .array([.string("C_5001_AV_0001")]))
    #expect(try await house.value("C_5001_AV_0001") == 20)
  }

  @Test func `the number of writes kept for a point is bounded`() {
    var writes = MockWrites()
    for time in 0..<100 { writes.add(Double(time), to: 3, at: Int64(time)) }
    #expect(writes.inForce(3, at: 99)?.entry.value == 99)
    #expect(writes.inForce(3, at: 92)?.entry.value == 92)
    #expect(writes.inForce(3, at: 91) == nil)
  }

  @Test func `prop reads another property of the same points`() async throws {
    let house = try House()
    let body = #"{"codes":["C_5001_AV_0001"]}"#
    #expect(try await house.first(.values, body, prop: "units")?["value"]?.string == "°C")
    #expect(try await house.first(.values, body, prop: "presentValue")?["value"]?.double == 18)
    let unknown = try await house.json(.values, body, prop: "x")
    #expect(unknown["ResultPointObjArr"] == .array([]))
    #expect(unknown["errors"]?.array?.first?["code"]?.double == 400)
  }
}
