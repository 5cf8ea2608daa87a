import AdapterAPI
import AdapterTestKit
import Testing

@testable import Mock

@Suite("Mock: the building")
struct MockBuildingTests {
  /// 2026-06-17 10:30:00 UTC, a Wednesday, in seconds.
  static let now: Int64 = 1_781_692_200

  @Test(arguments: [1, 13, 60, 61, 500, 100_000])
  func `a building has the requested number of points with unique ids`(_ count: Int) {
    let building = MockBuilding(points: count, seed: 42)
    #expect(building.points.count == count)
    #expect(Set(building.points.map(\.id)).count == count)
    #expect(building.points.first?.id == "C_5001_AV_0001")
    #expect(building.alarmPoints.count <= MockBuilding.maximumAlarmPoints)
  }

  @Test func `every value is in its range and has its number of decimals`() {
    let building = MockBuilding(points: 160, seed: 7)
    var zone = LocalZone()
    var wrong: [String] = []
    for hour in stride(from: Int64(0), to: 24 * 400, by: 35) {
      let moment = MockMoment(PointTime(seconds: 1_767_225_600 + hour * 3600), &zone)
      for index in building.points.indices {
        let point = building.points[index]
        let value = building.value(index, moment, MockWrites())
        let scaled = value * (point.decimals == 0 ? 1 : point.decimals == 1 ? 10 : 100)
        if !point.range.contains(value) || abs(scaled - scaled.rounded()) > 1e-3 {
          wrong.append("\(point.id) \(value)")
        }
      }
    }
    #expect(wrong.isEmpty)
  }

  @Test func `equal requests have equal responses, and another seed changes them`() async throws {
    let body =
      #"{"codes":["C_5900_AI_0001","C_5101_AI_0002"],"#
      + #""starttime":"2026-06-10T00:00:00Z","endtime":"2026-06-17T00:00:00Z"}"#
    let first = try await House().json(.history, body)
    #expect(try await House().json(.history, body) == first)
    #expect(try await House([("seed", "43")]).json(.history, body) != first)
    #expect(first["ResultPointObjArr"]?.array?.first?["data"]?.array?.count == 7 * 144 + 1)
  }

  @Test func `history contains the value that was read at the time`() async throws {
    let house = try House()
    let now = try await house.value("C_5101_AI_0001")
    house.clock.advance(by: .seconds(3600))
    let body = #"{"codes":["C_5101_AI_0001"],"starttime":"2026-06-17T10:30:00Z","endtime":"2026-06-17T10:30:00Z"}"#
    let data = try await house.history(body)
    #expect(now != nil && data.map { $0["value"]?.double } == [now])
    #expect(data.first?["time"]?.string == "2026-06-17T10:30:00Z")
  }

  @Test func `history ends at the present time`() async throws {
    let body =
      #"{"codes":["C_5900_AI_0001"],"starttime":"2026-06-17T10:00:00Z","#
      + #""endtime":"2026-06-18T00:00:00Z","interval":"900"}"#
    let times = try await House().history(body).compactMap { $0["time"]?.string }
    #expect(times == ["2026-06-17T10:00:00Z", "2026-06-17T10:15:00Z", "2026-06-17T10:30:00Z"])
  }

  @Test func `a meter grows by the integral of the power`() {
    let load = MockLoad(offset: 0)
    let start: Int64 = 1_781_000_000
    var sum = 0.0
    var grew = true
    for time in stride(from: start, to: start + 4000 * 300, by: 300) {
      grew = grew && load.integral(at: time + 300) >= load.integral(at: time)
      sum += (load.level(at: time) + load.level(at: time + 300)) / 2 * 300 / 3600
    }
    #expect(grew)
    #expect(sum > 10)
    #expect(abs(load.integral(at: start + 4000 * 300) - load.integral(at: start) - sum) < 0.1)
  }

  @Test func `a fan runs on a working day and not on a Sunday`() throws {
    let building = MockBuilding(points: 60, seed: 42)
    let fan = try #require(building.index(of: "C_5001_BO_0001"))
    let wednesday = MockMoment(PointTime(seconds: Self.now), offset: 0)
    let sunday = MockMoment(PointTime(seconds: Self.now + 4 * 86400), offset: 0)
    #expect(wednesday.weekday == 2)
    #expect(sunday.weekday == 6)
    #expect(building.value(fan, wednesday, MockWrites()) == 1)
    #expect(building.value(fan, sunday, MockWrites()) == 0)
    #expect(wednesday.people > 0.5)
    #expect(sunday.people < 0.1)
  }

  @Test func `a point is above its limit exactly while it has an alarm`() throws {
    let building = MockBuilding(points: 60, seed: 42)
    let alarms = building.alarms(from: Self.now - 30 * 86400, to: Self.now, now: Self.now)
    #expect(alarms.count > 20)
    #expect(Set(alarms.map(\.alarmID)).count == alarms.count)
    var zone = LocalZone()
    for alarm in alarms {
      let index = try #require(building.index(of: alarm.pointID))
      let rule = try #require(building.points[index].alarm)
      let start = try #require(alarm.start)
      #expect(building.value(index, MockMoment(start, &zone), MockWrites()) > rule.high)
      #expect((alarm.status == "active") == (alarm.end == nil))
      if let end = alarm.end { #expect(end > start && end.seconds <= Self.now) }
    }
    // Conversely, a point without an active alarm is not above its limit.
    for time in stride(from: Self.now - 7 * 86400, to: Self.now, by: 1800) {
      let active = Set(building.alarms(from: time, to: time, now: Self.now).map(\.pointID))
      for index in building.alarmPoints where !active.contains(building.points[index].id) {
        let high = try #require(building.points[index].alarm).high
        #expect(building.value(index, MockMoment(PointTime(seconds: time), &zone), MockWrites()) <= high)
      }
    }
  }

  @Test func `each alarm configuration names a point that exists`() async throws {
    let house = try House()
    let configs = try #require(try await house.json(.alarmConfigs, "")["ResultAlarmConfigArr"]?.array)
    #expect(configs.count >= 8)
    for config in configs {
      let code = try #require(config["pointId"]?.string)
      #expect(try await house.value(code) != nil)
    }
  }
}
