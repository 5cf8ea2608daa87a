import AdapterAPI
import AdapterTestKit
import Testing

@testable import WebTalk

/// The listing of the points that alarms and their configurations show. The form of both is not documented.
@Suite("WebTalk: listing")
struct WebTalkListingTests {
  private func listed(_ configurations: HTTPResponse, _ alarms: HTTPResponse) async throws -> (Bench, ObjectPage) {
    let bench = try Bench()
    bench.client.script { _ in configurations }
    bench.client.script { _ in alarms }
    return (bench, try await bench.adapter.objects(nil, try bench.call()))
  }

  private static let empty = HTTPResponse.whole(#"{"code":200,"msg":"success"}"#)

  @Test func `alarm configurations and alarms are read, and each point is listed once with its name`() async throws {
    let (_, page) = try await listed(
      .whole(
        #"{"code":200,"ResultAlarmConfigArr":[{"configId":"1","pointId":"P1","name":"Supply air"},{"pointId":"P2"}]}"#),
      .whole(
        #"{"code":200,"ResultAlarmArr":[{"pointId":"P2","name":"Fan"},{"pointId":"P1","name":"Other"},{"pointId":"P3"}]}"#
      ))
    #expect(page.next == nil)
    #expect(page.objects.map(\.code) == ["P1", "P2", "P3"] && page.objects.map(\.name) == ["Supply air", "Fan", ""])
    #expect(page.objects.allSatisfy { $0.type.isEmpty && $0.description == nil && $0.metadata.isEmpty })
  }

  @Test(arguments: [
    (#"{"code":200,"data":{"rows":[{"point_id":"P","pointName":"N"}]}}"#, ["P=N"]),
    (#"{"code":"200","list":[{"code":"P","name":"N"}]}"#, ["P=N"]), (#"{"x":[{"PointID":"P","Name":"N"}]}"#, ["P=N"]),
    (#"{"x":[{"pointId":"P","code":"E01","pointName":"N","name":"Alarm"}]}"#, ["P=N"]),
    (#"{"x":[{"pointCode":"P"}],"y":[[{"pointId":"Q"}]]}"#, ["P=", "Q="]),
    (#"{"x":[{"alarmId":"1","point":{"pointId":"P","name":"N"}}]}"#, ["P=N"]),
    ("\u{feff}{\"x\":[{\"pointId\":\"P\"}]}", ["P="]),
    // No points: the envelope's own code, codes that are numbers, and texts that the catalogue can't store.
    (#"{"code":"200","name":"N"}"#, []), (#"{"x":[{"code":7},{"pointId":null},{"pointId":""},{"pointId":["P"]}]}"#, []),
    (#"{"x":[{"pointId":"a\u0000b"},{"pointId":"a\nb"}]}"#, []), (#"{"x":["P"],"y":{"z":"P"}}"#, []),
    (#"{"x":[{"pointId":"\#(String(repeating: "x", count: 256))"}]}"#, []),
    (#"{"x":[{"pointId":"P","name":7},{"pointId":"P","name":"a\u0000"}]}"#, ["P="]),
  ])
  func `points are found whatever the arrays and members are called`(body: String, found: [String]) async throws {
    for isFirst in [true, false] {
      let response = HTTPResponse.whole(body)
      let (_, page) = try await isFirst ? listed(response, Self.empty) : listed(Self.empty, response)
      #expect(page.objects.map { "\($0.code)=\($0.name)" } == found)
    }
  }

  @Test func `an installation without alarms lists the remaining points, and the log says so`() async throws {
    let (bench, page) = try await listed(
      .whole(#"{"code":404,"error":"no such function"}"#), .whole(#"{"code":200,"x":[{"pointId":"P"}]}"#))
    #expect(page.objects.map(\.code) == ["P"])
    #expect(bench.log.lines.contains { $0.contains("alarm-configs") })
    let (_, none) = try await listed(.whole("<html>", status: 500, type: "text/html"), Self.empty)
    #expect(none.objects.isEmpty)
  }

  @Test func `a rejected token, an unreachable upstream and an unknown cursor are errors`() async throws {
    let bench = try Bench()
    let call = try bench.call()
    bench.client.script { _ in .whole(#"{"code":301,"error":"token expired"}"#) }
    #expect(await adapterError { try await bench.adapter.objects(nil, call) }?.code == .tokenRejected)
    bench.client.script { _ in Self.empty }
    bench.client.script(failure: AdapterError(.unreachable, "The upstream can't be reached."))
    #expect(await adapterError { try await bench.adapter.objects(nil, call) }?.code == .unreachable)
    #expect(await adapterError { try await bench.adapter.objects("1", call) }?.code == .badRequest)
  }

  @Test func `the calls are those of the two operations, and ask for the last thirty days`() async throws {
    let (bench, _) = try await listed(Self.empty, Self.empty)
    let requests = bench.client.requests
    #expect(requests.map(\.target) == ["/_webtalk/_cur/api/getAlarmConfigs", "/_webtalk/_cur/api/getHisAlarms"])
    #expect(requests.first?.body == Array("{}".utf8))
    let body = try JSONValue(parsing: requests.last?.body ?? [])
    let start = try #require(body["starttime"]?.string.flatMap(PointTime.parse))
    let end = try #require(body["endtime"]?.string.flatMap(PointTime.parse))
    let days = Double(end.time.seconds - start.time.seconds) / 86_400
    #expect(abs(days - 31) < 0.2, "an hour of summer time may be between them")
  }
}
