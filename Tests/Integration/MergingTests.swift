import Foundation
import TestSupport
import Testing

@Suite("Merging of different requests into one call", .blocking)
struct MergingTests {
  /// The window closes when it holds `max` codes.
  private static func lab(max: Int, _ options: [String: String] = [:]) throws -> Lab {
    let lab = try Lab { $0.routes["values"] = ["batch": "{window: 25s, max: \(max)}"].merging(options) { $1 } }
    // A request that is never merged fetches the token beforehand.
    #expect(try lab.call(Request.make("POST", Request.history, body: "{}")).status == 200)
    lab.upstream.forgetCalls()
    return lab
  }

  private static func body(_ codes: [String]) -> String {
    "{\"codes\":[\(codes.map { "\"\($0)\"" }.joined(separator: ","))]}"
  }

  /// Sends each list on a connection of its own.
  private func ask(_ lab: Lab, _ lists: [[String]], fields: String = "") throws -> [RawConnection] {
    try lists.map { try lab.connect().send(Request.make(body: Self.body($0), fields: fields)) }
  }

  private func codes(of call: ScriptedWebTalk.Call) -> [String] {
    ((try? JSONSerialization.jsonObject(with: Data(call.body))) as? [String: Any])?["codes"] as? [String] ?? []
  }

  @Test func `forty requests on two loops become one call, and each response equals that of a separate call`() throws {
    let lists = (0..<40).map { ["C_\($0)", "é\($0)", "shared"] }
    let lab = try Self.lab(max: 81)
    for (connection, list) in zip(try ask(lab, lists), lists) {
      let response = try connection.receive()
      #expect(response.status == 200)
      // The first request puts `shared` before the codes of the later ones.
      #expect(response.text == Wire.points(list))
      #expect(response["X-Gateway-Source"] == "live")
    }
    #expect(lab.upstream.dataCalls.count == 1)
    #expect(Set(lab.upstream.dataCalls.flatMap(codes)) == Set(lists.joined()))
    #expect(try lab.metric("gateway_coalesced_requests_total", ["kind": "merged"]) == 39)
  }

  @Test(arguments: [false, true])
  func `a merged response has the order that the caller's own call would give it`(upstreamSorts: Bool) throws {
    let lab = try Self.lab(max: 6)
    let order: @Sendable ([String]) -> [String] = { upstreamSorts ? $0.sorted() : $0 }
    lab.upstream.always(UpstreamStep { $1.send(Wire.message(Wire.points(order(self.codes(of: $2))))) })
    // Each list has a code of its own, so the window closes when all of them have come in.
    let lists = [["b", "a", "1"], ["2", "a", "b"], ["c", "3", "b", "a"]]
    for (connection, list) in zip(try ask(lab, lists), lists) {
      #expect(try connection.receive().text == Wire.points(order(list)))
    }
    #expect(lab.upstream.dataCalls.map { codes(of: $0).sorted() } == [["1", "2", "3", "a", "b", "c"]])
  }

  @Test(arguments: [false, true])
  func `a point that is asked for twice is there as often as in the response to the caller's own call`(
    upstreamDoubles: Bool
  ) throws {
    let lab = try Self.lab(max: 2)
    let points: @Sendable ([String]) -> [String] = {
      upstreamDoubles ? $0 : $0.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
    lab.upstream.always(UpstreamStep { $1.send(Wire.message(Wire.points(points(self.codes(of: $2))))) })
    let lists = [["b", "a", "b"], ["a"], ["a", "a"], ["b"]]
    for (connection, list) in zip(try ask(lab, lists), lists) {
      #expect(try connection.receive().text == Wire.points(points(list)))
    }
    #expect(lab.upstream.dataCalls.count == 3)
  }

  @Test func `a merged response without some points keeps the order of the rest`() throws {
    let lab = try Self.lab(max: 6)
    lab.upstream.always(
      UpstreamStep { $1.send(Wire.message(Wire.points(self.codes(of: $2).filter { $0 != "b" }))) })
    let lists = [["c", "b", "a", "1"], ["2", "a", "b", "c"], ["b", "3"]]
    for (connection, list) in zip(try ask(lab, lists), lists) {
      #expect(try connection.receive().text == Wire.points(list.filter { $0 != "b" }))
    }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `a request that is alone in its window is sent byte for byte`() throws {
    let lab = try Lab { $0.routes["values"] = ["batch": "{window: 5ms}"] }
    let body = "  {\"codes\" : [ \"P\" ]} "
    #expect(try lab.call(Request.make(body: body)).text == Wire.points(["P"]))
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [body])
  }

  @Test func `a merged call has at most max codes, and numbers keep their text`() throws {
    let lab = try Self.lab(max: 10)
    let numbers = ["1e400", "0.10", "12345678901234567890", "-0.0"]
    let response: @Sendable ([String], String) -> String = { codes, separator in
      let points = codes.map { #"{ "value" : \#(numbers[Wire.value(of: $0) % 4]) , "pointId":"\#($0)" }"# }
      return #"{"ResultPointObjArr":[\#(points.joined(separator: separator))],"code":"200"}"#
    }
    lab.upstream.always(UpstreamStep { $1.send(Wire.message(response(self.codes(of: $2), ",\n"))) })
    let lists = (0..<10).map { list in (0..<5).map { "C_\(list)_\($0)" } }
    for (connection, list) in zip(try ask(lab, lists), lists) {
      #expect(try connection.receive().text == response(list, ","))
    }
    #expect(lab.upstream.dataCalls.map { codes(of: $0).count } == [10, 10, 10, 10, 10])
  }

  @Test func `a request with another property or a body with further members is not merged`() throws {
    let lab = try Self.lab(max: 4)
    let units = try ask(lab, [["a", "b"], ["c", "d"]], fields: "prop: units\r\n")
    let states = try ask(lab, [["a", "b"], ["c", "e"]], fields: "prop: state\r\n")
    for connection in units + states { #expect(try connection.receive().status == 200) }
    #expect(Set(lab.upstream.dataCalls.map { $0.all("prop") }) == [["units"], ["state"]])
    #expect(lab.upstream.dataCalls.count == 2)
    lab.upstream.forgetCalls()
    let other = #"{"codes":["a"],"raw":true}"#
    #expect(try lab.call(Request.make(body: other)).text == Wire.points(["a"]))
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [other])
  }

  @Test func `a rejected code is found in few calls, and only requests with it get the error`() throws {
    let lab = try Self.lab(max: 32)
    lab.upstream.always(
      UpstreamStep { upstream, peer, call in
        guard self.codes(of: call).contains("C_13") else { return peer.send(upstream.respondNormally(call)) }
        return peer.send(Wire.message(#"{"code":500,"error":"no such device"}"#))
      })
    let lists = (0..<32).map { ["C_\($0)"] }
    for (connection, list) in zip(try ask(lab, lists), lists) {
      let response = try connection.receive()
      #expect(response.status == 200)
      #expect(response.text == (list == ["C_13"] ? #"{"code":500,"error":"no such device"}"# : Wire.points(list)))
    }
    #expect(lab.upstream.dataCalls.count <= 12)
  }

  @Test func `an unknown member in a merged response stops merging, with one log message`() throws {
    let lab = try Self.lab(max: 3)
    let response: @Sendable ([String]) -> String = { codes in
      String(Wire.points(codes).dropLast()) + #","total":\#(codes.count)}"#
    }
    lab.upstream.always(UpstreamStep { $1.send(Wire.message(response(self.codes(of: $2)))) })
    for turn in 0..<2 {
      for (connection, list) in zip(try ask(lab, [["a"], ["b"], ["c"]]), [["a"], ["b"], ["c"]]) {
        #expect(try connection.receive().text == response(list))
      }
      #expect(lab.upstream.dataCalls.count == 4 + 3 * turn)
    }
    try eventually("the log's line") { lab.gateway.log.contains("no longer merged") }
    #expect(lab.gateway.log.components(separatedBy: "no longer merged").count == 2)
    lab.upstream.always(nil)
    // A reload enables merging again.
    try lab.reload(GatewayConfiguration { $0.routes["values"] = ["batch": "{window: 25s, max: 2}"] }.text)
    lab.upstream.forgetCalls()
    for connection in try ask(lab, [["a"], ["b"]]) { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `a client that leaves or does not read delays no other client of a merged call`() throws {
    let lab = try Self.lab(max: 4)
    let gate = Gate()
    lab.upstream.always(.held(by: gate))
    let connections = try ask(lab, [["a"], ["b"], ["c"], ["d"]])
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    connections[0].socket.reset()
    gate.open()
    for (connection, code) in zip(connections[2...], ["c", "d"]) {
      #expect(try connection.receive().text == Wire.points([code]))
    }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `an unreachable upstream fails the whole merged call without a search for a rejected code`() throws {
    let lab = try Self.lab(max: 4)
    lab.upstream.always(.reset)
    for connection in try ask(lab, [["a"], ["b"], ["c"], ["d"]]) {
      #expect(try connection.receive().errorCode == "upstream_unreachable")
    }
    // The HTTP client repeats a read; no part of the merged call is repeated.
    #expect(lab.upstream.dataCalls.allSatisfy { codes(of: $0).count == 4 })
  }

  @Test func `identical requests are coalesced before merging, and responses are cached`() throws {
    let lab = try Self.lab(max: 3, ["coalesce": "true", "cache": "20s"])
    let gate = Gate()
    lab.upstream.always(.held(by: gate))
    let codes = ["a", "a", "a", "b", "b", "c"]
    let connections = try ask(lab, codes.map { [$0] })
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    gate.open()
    for (connection, code) in zip(connections, codes) {
      #expect(try connection.receive().text == Wire.points([code]))
    }
    #expect(lab.upstream.dataCalls.count == 1)
    #expect(try lab.metric("gateway_coalesced_requests_total", ["kind": "merged"]) == 2)
    let counted = try ["identical", "cached"].map { kind in
      try lab.metric("gateway_coalesced_requests_total", ["kind": kind]) ?? 0
    }
    #expect(counted.reduce(0, +) == 3)
    let kept = try lab.call(Request.make(body: Self.body(["b"])))
    #expect(kept.text == Wire.points(["b"]))
    #expect(kept["X-Gateway-Source"] == "cache")
  }
}
