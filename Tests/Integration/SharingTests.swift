import Foundation
import TestSupport
import Testing

@Suite("Shared calls and cached responses", .blocking)
struct SharingTests {
  private static func configuration(_ values: [String: String] = ["coalesce": "true"]) -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    configuration.routes = ["values": values, "history": ["coalesce": "true"]]
    return configuration
  }

  /// A gateway that already has the upstream's token, so that only data calls count.
  ///
  /// - Parameter values: keys of the route for values.
  private func lab(
    _ values: [String: String] = ["coalesce": "true"], change: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws -> Lab {
    let lab = try Lab(Self.configuration(values), change: change)
    #expect(try lab.call(Request.make(body: #"{"codes":["WARM"]}"#)).status == 200)
    lab.upstream.forgetCalls()
    return lab
  }

  private func shared(_ lab: Lab, _ kind: String) throws -> Double? {
    try lab.metric("gateway_coalesced_requests_total", ["adapter": "main", "kind": kind])
  }

  private func ask(_ lab: Lab, _ count: Int, _ request: [UInt8] = Request.make()) throws -> [RawConnection] {
    try (0..<count).map { _ in try lab.connect().send(request) }
  }

  /// Waits until the gateway has this many connections and has made one call. Then makes every loop serve a request, so
  /// that bytes sent earlier have been read.
  private func passTurns(_ lab: Lab, connections: Double) throws {
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    try lab.awaitConnections(connections)
    for _ in 0..<12 { #expect(try lab.call(Request.make("POST", "/nowhere")).status == 404) }
  }

  // MARK: Identical requests in flight

  @Test func `fifty identical requests at the same moment become one upstream call with fifty responses`() throws {
    let lab = try lab()
    let gate = Gate()
    lab.upstream.script(.held(by: gate))
    let connections = try ask(lab, 50)
    try passTurns(lab, connections: 50)
    let other = try lab.call(Request.make(body: #"{"codes":["Q"]}"#))
    #expect(other.status == 200, "another list is a separate call and does not wait")
    gate.open()
    let responses = try connections.map { try $0.receive() }
    #expect(responses.allSatisfy { $0.status == 200 && $0.body == responses[0].body && $0.source == "live" })
    #expect(Set(responses.map { $0["X-Request-Id"] ?? "" }).count == 50)
    #expect(lab.upstream.count(.values) == 2)
    #expect(try shared(lab, "identical") == 49)
    #expect(
      try lab.metric("gateway_upstream_requests_total", ["adapter": "main", "operation": "values", "class": "ok"]) == 3)
  }

  @Test func `requests that differ in prop, Accept or a byte of the body do not share a call`() throws {
    let lab = try lab()
    let gate = Gate()
    lab.upstream.always(.held(by: gate))
    let requests = [
      Request.make(), Request.make(fields: "prop: name\r\n"), Request.make(fields: "Accept: text/csv\r\n"),
      Request.make(body: #"{"codes": ["P"]}"#), Request.make("POST", Request.history),
      Request.make(fields: "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
    ]
    let connections = try requests.map { try lab.connect().send($0) }
    try eventually("five calls") { lab.upstream.dataCalls.count == 5 }
    gate.open()
    for connection in connections { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.dataCalls.count == 5)
  }

  @Test func `a shared call survives when its leader leaves, and is cancelled when all clients leave`() throws {
    let lab = try lab()
    let gate = Gate()
    let first = try lab.begin(.held(by: gate))
    let others = try ask(lab, 5)
    try lab.awaitConnections(6)
    first.socket.reset()
    try lab.awaitConnections(5)
    gate.open()
    for connection in others { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.dataCalls.count == 1)
    #expect(!lab.upstream.sawDisconnect)

    lab.upstream.script(.hang)
    let impatient = try ask(lab, 3, Request.make(body: #"{"codes":["HANG"]}"#))
    try eventually("the call that hangs") { lab.upstream.dataCalls.count == 2 }
    for connection in impatient { connection.socket.reset() }
    try eventually("the call to be cancelled") { lab.upstream.sawDisconnect }
    #expect(try lab.call(Request.make(body: #"{"codes":["HANG"]}"#)).status == 200, "a later request starts a new call")
  }

  @Test func `a failure of a shared call goes to every waiter without repeated calls`() throws {
    let lab = try lab { $0.adapters["main"]?.settings["read_retries"] = "0" }
    lab.upstream.dropIdle()
    let gate = Gate()
    lab.upstream.always(UpstreamStep { _, peer, _ in peer.wait(for: gate) && false })
    let connections = try ask(lab, 20)
    try passTurns(lab, connections: 20)
    gate.open()
    for connection in connections { #expect(try connection.receive().outcome == "502 upstream_unreachable") }
    #expect(lab.upstream.dataCalls.count < 5, "only requests after the failure make further calls")
  }

  @Test func `a long response reaches all clients of a shared call, even beside one that reads nothing`() throws {
    let lab = try lab()
    let (count, gate) = (3 << 20, Gate())
    lab.upstream.script(UpstreamStep { $1.wait(for: gate) && LongBody(count: count).step().run($0, $1, $2) })
    let request = Request.make("POST", Request.history)
    let stuck = try lab.connect(receiveBuffer: 8192).send(request)
    let readers = try ask(lab, 5, request)
    try passTurns(lab, connections: 6)
    gate.open()
    let responses = try readers.map { try $0.receive(within: 20) }
    #expect(responses.allSatisfy { $0.body.count == count && $0.body == responses[0].body })
    #expect(try stuck.receive(within: 20).body == responses[0].body)
    #expect(lab.upstream.count(.history) == 1)
  }

  @Test func `a long cached response counts once in memory for any number of slow readers`() throws {
    let lab = try lab {
      $0.listen["max_memory"] = "16MiB"
      $0.routes["history"] = ["cache": "1h"]
    }
    // The code makes the response a success, which may be cached.
    let body = #"{"code":200,"data":"\#(String(repeating: "x", count: 3 << 20))"}"#
    lab.upstream.script(.response(body))
    let request = Request.make("POST", Request.history)
    let whole = try lab.call(request, within: 20)
    #expect(whole.text == body)
    let slow = try (0..<12).map { _ in try lab.connect(receiveBuffer: 8192).send(request) }
    try eventually("all connections") { try shared(lab, "cached") == 12 }
    #expect(try lab.call().status == 200)
    for reader in slow { #expect(try reader.receive(within: 20).body == whole.body) }
    #expect(lab.upstream.count(.history) == 1)
  }

  @Test func `a response too long to be shared reaches each client through a call of its own`() throws {
    let lab = try lab()
    let (count, gate) = (9 << 20, Gate())
    lab.upstream.always(UpstreamStep { $1.wait(for: gate) && LongBody(count: count).step().run($0, $1, $2) })
    let readers = try ask(lab, 3, Request.make("POST", Request.history))
    try passTurns(lab, connections: 3)
    gate.open()
    for reader in readers { #expect(try reader.receive(within: 30).body.count == count) }
    #expect(lab.upstream.count(.history) == 3)
  }

  @Test func `a response stays complete when memory runs short while it is collected`() throws {
    let lab = try lab {
      $0.listen["max_memory"] = "1MiB"
      $0.routes["history"] = ["cache": "1h"]
    }
    for framing in LongBody.Framing.allCases {
      let body = LongBody(count: 3 << 20)
      lab.upstream.script(body.step(framing))
      let connection = try lab.connect()
      let response = try connection.send(Request.make("POST", Request.history)).receive(within: 20)
      #expect(response.status == 200 && body.isEqual(to: response.body), "\(framing): \(response.body.count)")
      #expect(try connection.send(Request.make()).receive().status == 200, "the connection stays usable")
    }
  }

  // MARK: Cached responses

  @Test func `a cached response is marked with source and age, in its headers and in the log`() throws {
    let lab = try lab(["cache": "1h"])
    let first = try lab.call()
    #expect(first.source == "live")
    let second = try lab.call(Request.make(fields: "X-Request-Id: the-kept-one\r\n"))
    #expect(second.source == "cache 0")
    #expect(second["X-Request-Id"] == "the-kept-one")
    #expect(second.body == first.body)
    #expect(lab.upstream.count(.values) == 1)
    try eventually("the age to grow") { try lab.call()["Age"] == "1" }
    #expect(lab.upstream.count(.values) == 1)
    try eventually("the log line") {
      lab.gateway.log.split(separator: "\n").contains { $0.contains("the-kept-one") && $0.contains(#""cache""#) }
    }
    #expect(try shared(lab, "cached") ?? 0 >= 2)
  }

  @Test func `during a refresh other requests get the previous response, marked stale`() throws {
    let lab = try lab(["cache": "50ms", "stale": "1h"])
    let old = #"{"code":200,"value":1}"#
    lab.upstream.script(.response(old))
    #expect(try lab.call().text == old)
    let gate = Gate()
    let new = Wire.message(#"{"code":200,"value":2}"#)
    lab.upstream.script(UpstreamStep { _, peer, _ in peer.wait(for: gate) && peer.send(new) })
    let stale = try firstValue("a stale response") {
      let response = try lab.call()
      return response["X-Gateway-Source"] == "stale" ? response : nil
    }
    #expect(stale.text == old && stale.source == "stale 0")
    for connection in try ask(lab, 20) {
      let response = try connection.receive()
      #expect(response["X-Gateway-Source"] == "stale" && response.text == old)
    }
    try eventually("the refresh") { lab.upstream.count(.values) == 2 }
    gate.open()
    try eventually("the new response") { try lab.call().text != old }
  }

  @Test func `a call for a cached route is completed after its only client has left`() throws {
    let lab = try lab(["cache": "1h"])
    let gate = Gate()
    defer { gate.open() }
    let only = try lab.begin(.held(by: gate))
    only.socket.reset()
    try lab.awaitConnections(0)
    gate.open()
    try eventually("the cached response") { try lab.call()["X-Gateway-Source"] == "cache" }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `an error is not cached, and a failed refresh keeps the previous response`() throws {
    let lab = try lab(["cache": "1h"])
    lab.upstream.script(
      .envelope(500), .response("{}", status: "500 Internal Server Error"),
      .response(#"{"code":200,"errors":[{"pointId":"P","code":404,"error":"unknown"}]}"#),
      .response(#"{"code":200}"#, fields: "Content-Encoding: identity\r\n"))
    for _ in 0..<5 { #expect(try lab.call()["X-Gateway-Source"] == "live") }
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    #expect(lab.upstream.count(.values) == 5)
  }

  @Test func `a response of the mock is marked mock, also when it is cached`() throws {
    let lab = try Lab(Self.configuration(["cache": "1h"])) { $0.defaults["adapter"] = "demo" }
    let request = Request.make(body: #"{"codes":["C_5001_AV_0001"]}"#)
    let (first, second) = (try lab.call(request), try lab.call(request))
    #expect(first.status == 200 && [first.source, second.source] == ["mock", "mock 0"])
    #expect(second.body == first.body && lab.upstream.calls.isEmpty)
  }

  @Test func `a reload drops the cached responses of a changed adapter and keeps those of an unchanged one`() throws {
    var configuration = Self.configuration(["cache": "1h"])
    let lab = try lab(["cache": "1h"])
    _ = try lab.call()
    try lab.reload(configuration.text)
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    configuration.adapters["main"]?.settings["first_byte_timeout"] = "4s"
    try lab.reload(configuration.text)
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
  }

  @Test(arguments: [true, false])
  func `a drain does not wait for a call that only a cache waits for`(_ leavesBefore: Bool) throws {
    let lab = try lab(["cache": "1h"]) {
      $0.adapters["main"]?.settings.merge(["first_byte_timeout": "120s", "total_timeout": "120s"]) { $1 }
      $0.listen["drain_timeout"] = "120s"
    }
    let caller = try lab.begin(.hang)
    if leavesBefore {
      caller.socket.reset()
      try lab.awaitConnections(0)
    }
    lab.gateway.signal(SIGTERM)
    try eventually("the listener to close") { (try? lab.connect()) == nil }
    if !leavesBefore { caller.socket.reset() }
    #expect(try lab.gateway.waitForExit(within: 60) == 0)
  }

  @Test func `a reload and a drain let a shared call end for all its waiters`() throws {
    let lab = try lab()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.script(.held(by: gate))
    let callers = try ask(lab, 5)
    try passTurns(lab, connections: 5)
    var configuration = Self.configuration()
    configuration.adapters["main"]?.settings["first_byte_timeout"] = "4s"
    try lab.reload(configuration.text)
    #expect(try lab.call().status == 200, "another adapter has no cached response")
    #expect(lab.upstream.dataCalls.count == 2)
    lab.gateway.signal(SIGTERM)
    try eventually("the listener to close") { (try? lab.connect()) == nil }
    gate.open()
    for caller in callers { #expect(try caller.receive().status == 200) }
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.upstream.dataCalls.count == 2)
  }
}
