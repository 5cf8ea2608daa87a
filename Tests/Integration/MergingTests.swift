import Foundation
import TestSupport
import Testing

@Suite("Different callers' codes become one upstream call", .blocking)
struct MergingTests {
  /// The window is full, and closes, when that many codes are in it.
  private static func lab(max: Int, _ options: [String: String] = [:]) throws -> Lab {
    var configuration = GatewayConfiguration()
    configuration.routes["values"] = ["batch": "{window: 25s, max: \(max)}"].merging(options) { $1 }
    let lab = try Lab(configuration)
    // The token is fetched before, with a request that is never merged.
    #expect(try lab.call(Request.make("POST", Request.history, body: "{}")).status == 200)
    lab.upstream.forgetCalls()
    return lab
  }

  private static func body(_ codes: [String]) -> String {
    "{\"codes\":[\(codes.map { "\"\($0)\"" }.joined(separator: ","))]}"
  }

  /// As the scripted upstream answers who asks for just that.
  private static func answer(_ codes: [String]) -> String {
    let points = codes.map { #"{"pointId":"\#($0)","value":\#(Wire.value(of: $0)),"time":"2026-06-21 02:04:07"}"# }
    return #"{"code":200,"msg":"ok","ResultPointObjArr":[\#(points.joined(separator: ","))]}"#
  }

  /// One connection for each list, and its request on it.
  private func ask(_ lab: Lab, _ lists: [[String]], fields: String = "") throws -> [RawConnection] {
    try lists.map { try lab.connect().send(Request.make(body: Self.body($0), fields: fields)) }
  }

  private func codes(of call: ScriptedUpstream.Call) -> [String] {
    ((try? JSONSerialization.jsonObject(with: Data(call.body))) as? [String: Any])?["codes"] as? [String] ?? []
  }

  @Test("forty callers on two loops: one call, and each answer is what he would have got alone")
  func oneCall() throws {
    let lists = (0..<40).map { ["C_\($0)", "é\($0)", "shared"] }
    let lab = try Self.lab(max: 81)
    for (connection, list) in zip(try ask(lab, lists), lists) {
      let answer = try connection.receive()
      #expect(answer.status == 200)
      // Whoever came first has brought `shared` before the others' codes, and the upstream answers in that order.
      #expect([Self.answer(list), Self.answer([list[2], list[0], list[1]])].contains(answer.text))
      #expect(answer["X-Gateway-Source"] == "live")
    }
    #expect(lab.upstream.dataCalls.count == 1)
    #expect(Set(lab.upstream.dataCalls.flatMap(codes)) == Set(lists.joined()))
    #expect(try lab.metric("gateway_coalesced_requests_total", ["kind": "merged"]) == 39)
  }

  @Test("who is alone in a window sends his own body, byte for byte")
  func alone() throws {
    var configuration = GatewayConfiguration()
    configuration.routes["values"] = ["batch": "{window: 5ms}"]
    let lab = try Lab(configuration)
    let body = "  {\"codes\" : [ \"P\" ]} "
    #expect(try lab.call(Request.make(body: body)).text == Self.answer(["P"]))
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [body])
  }

  @Test("no call has more codes than the largest batch, and numbers keep their text")
  func largestBatch() throws {
    let lab = try Self.lab(max: 10)
    let numbers = ["1e400", "0.10", "12345678901234567890", "-0.0"]
    lab.upstream.always(
      UpstreamStep { _, peer, call in
        let points = self.codes(of: call).map {
          "{ \"value\" : \(numbers[Wire.value(of: $0) % 4]) , \"pointId\":\"\($0)\" }"
        }
        return peer.send(Wire.message("{\"ResultPointObjArr\":[\(points.joined(separator: ",\n"))],\"code\":\"200\"}"))
      })
    let lists = (0..<10).map { list in (0..<5).map { "C_\(list)_\($0)" } }
    for (connection, list) in zip(try ask(lab, lists), lists) {
      let points = list.map { "{ \"value\" : \(numbers[Wire.value(of: $0) % 4]) , \"pointId\":\"\($0)\" }" }
      #expect(
        try connection.receive().text == "{\"ResultPointObjArr\":[\(points.joined(separator: ","))],\"code\":\"200\"}")
    }
    #expect(lab.upstream.dataCalls.map { codes(of: $0).count } == [10, 10, 10, 10, 10])
  }

  @Test("another property is another call, and a body with more in it goes by itself")
  func apart() throws {
    let lab = try Self.lab(max: 4)
    let units = try ask(lab, [["a", "b"], ["c", "d"]], fields: "prop: units\r\n")
    let states = try ask(lab, [["a", "b"], ["c", "e"]], fields: "prop: state\r\n")
    for connection in units + states { #expect(try connection.receive().status == 200) }
    #expect(Set(lab.upstream.dataCalls.map { $0.all("prop") }) == [["units"], ["state"]])
    #expect(lab.upstream.dataCalls.count == 2)
    lab.upstream.forgetCalls()
    let other = #"{"codes":["a"],"raw":true}"#
    #expect(try lab.call(Request.make(body: other)).text == Self.answer(["a"]))
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [other])
  }

  @Test("a point that poisons is found in few calls, and only its askers see the error")
  func poison() throws {
    let lab = try Self.lab(max: 32)
    lab.upstream.always(
      UpstreamStep { upstream, peer, call in
        guard self.codes(of: call).contains("C_13") else { return peer.send(upstream.answerNormally(call)) }
        return peer.send(Wire.message(#"{"code":500,"error":"no such device"}"#))
      })
    let lists = (0..<32).map { ["C_\($0)"] }
    for (connection, list) in zip(try ask(lab, lists), lists) {
      let answer = try connection.receive()
      #expect(answer.status == 200)
      #expect(answer.text == (list == ["C_13"] ? #"{"code":500,"error":"no such device"}"# : Self.answer(list)))
    }
    #expect(lab.upstream.dataCalls.count <= 12)
  }

  @Test("a member that the adapter does not know: everybody asks for himself from then on; the log says so once")
  func unknownMember() throws {
    let lab = try Self.lab(max: 3)
    let answer: @Sendable ([String]) -> String = { codes in
      String(Self.answer(codes).dropLast()) + #","total":\#(codes.count)}"#
    }
    lab.upstream.always(
      UpstreamStep { _, peer, call in peer.send(Wire.message(answer(self.codes(of: call)))) })
    for turn in 0..<2 {
      for (connection, list) in zip(try ask(lab, [["a"], ["b"], ["c"]]), [["a"], ["b"], ["c"]]) {
        #expect(try connection.receive().text == answer(list))
      }
      #expect(lab.upstream.dataCalls.count == 4 + 3 * turn)
    }
    try eventually("the log's line") { lab.gateway.log.contains("no longer merged") }
    #expect(lab.gateway.log.components(separatedBy: "no longer merged").count == 2)
    lab.upstream.always(nil)
    // A reload tries again.
    var configuration = GatewayConfiguration()
    configuration.routes["values"] = ["batch": "{window: 25s, max: 2}"]
    try lab.reload(configuration.text)
    lab.upstream.forgetCalls()
    for connection in try ask(lab, [["a"], ["b"]]) { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test("a caller that leaves, and one that does not read, hold nobody up")
  func leaving() throws {
    let lab = try Self.lab(max: 4)
    let gate = Gate()
    lab.upstream.always(.held(by: gate))
    let connections = try ask(lab, [["a"], ["b"], ["c"], ["d"]])
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    connections[0].socket.reset()
    gate.open()
    for (connection, code) in zip(connections[2...], ["c", "d"]) {
      #expect(try connection.receive().text == Self.answer([code]))
    }
    #expect(lab.upstream.dataCalls.count == 1)
    lab.upstream.always(nil)
  }

  @Test("an upstream that can't be reached is everybody's error, and nobody's point is looked for")
  func unreachable() throws {
    let lab = try Self.lab(max: 4)
    lab.upstream.always(.reset)
    for connection in try ask(lab, [["a"], ["b"], ["c"], ["d"]]) {
      #expect(try connection.receive().errorCode == "upstream_unreachable")
    }
    // The client repeats a read by itself; nobody repeats a part of it.
    #expect(lab.upstream.dataCalls.allSatisfy { codes(of: $0).count == 4 })
    lab.upstream.always(nil)
  }

  @Test("identical requests are one before they are merged with others, and answers are kept")
  func together() throws {
    let lab = try Self.lab(max: 3, ["coalesce": "true", "cache": "20s"])
    let gate = Gate()
    lab.upstream.always(.held(by: gate))
    let codes = ["a", "a", "a", "b", "b", "c"]
    let connections = try ask(lab, codes.map { [$0] })
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    gate.open()
    for (connection, code) in zip(connections, codes) {
      #expect(try connection.receive().text == Self.answer([code]))
    }
    #expect(lab.upstream.dataCalls.count == 1)
    #expect(try lab.metric("gateway_coalesced_requests_total", ["kind": "merged"]) == 2)
    let counted = try ["identical", "cached"].map { kind in
      try lab.metric("gateway_coalesced_requests_total", ["kind": kind]) ?? 0
    }
    #expect(counted.reduce(0, +) == 3)
    let kept = try lab.call(Request.make(body: Self.body(["b"])))
    #expect(kept.text == Self.answer(["b"]))
    #expect(kept["X-Gateway-Source"] == "cache")
    lab.upstream.always(nil)
  }
}
