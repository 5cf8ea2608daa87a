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
  private func lab(_ configuration: GatewayConfiguration = SharingTests.configuration()) throws -> Lab {
    let lab = try Lab(configuration)
    #expect(try lab.call(Request.make(body: #"{"codes":["WARM"]}"#)).status == 200)
    lab.upstream.forgetCalls()
    return lab
  }

  private func ask(_ lab: Lab, _ count: Int, _ request: [UInt8] = Request.make()) throws -> [RawConnection] {
    try (0..<count).map { _ in try lab.connect().send(request) }
  }

  /// Makes every loop serve a request, so that bytes sent earlier have been read.
  private func passTurns(_ lab: Lab) throws {
    for _ in 0..<12 { #expect(try lab.call(Request.make("POST", "/nowhere")).status == 404) }
  }

  // MARK: Identical requests in flight

  @Test func `fifty identical requests at the same moment become one upstream call with fifty responses`() throws {
    let lab = try lab()
    let gate = Gate()
    lab.upstream.script(.held(by: gate))
    let connections = try ask(lab, 50)
    try eventually("all fifty to have arrived") { try lab.metric("gateway_http_connections") ?? 0 >= 50 }
    try passTurns(lab)
    let other = try lab.call(Request.make(body: #"{"codes":["Q"]}"#))
    #expect(other.status == 200, "another list is a separate call and does not wait")
    gate.open()
    let responses = try connections.map { try $0.receive() }
    #expect(responses.allSatisfy { $0.status == 200 && $0.body == responses[0].body })
    #expect(responses.allSatisfy { $0["X-Gateway-Source"] == "live" && $0["Age"] == nil })
    #expect(Set(responses.map { $0["X-Request-Id"] ?? "" }).count == 50)
    #expect(lab.upstream.count(.values) == 2)
    #expect(try lab.metric("gateway_coalesced_requests_total", ["adapter": "main", "kind": "identical"]) == 49)
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
    lab.upstream.script(.held(by: gate))
    let first = try lab.connect().send(Request.make())
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    let others = try ask(lab, 5)
    try eventually("the waiters") { try lab.metric("gateway_http_connections") == 6 }
    first.socket.reset()
    try eventually("the first connection to close") { try lab.metric("gateway_http_connections") == 5 }
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
    var configuration = Self.configuration()
    configuration.adapters["main"]?.settings["read_retries"] = "0"
    let lab = try lab(configuration)
    lab.upstream.dropIdle()
    let gate = Gate()
    lab.upstream.always(UpstreamStep { _, peer, _ in peer.wait(for: gate) && false })
    let connections = try ask(lab, 20)
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    try eventually("all connections") { try lab.metric("gateway_http_connections") == 20 }
    try passTurns(lab)
    gate.open()
    for connection in connections {
      let response = try connection.receive()
      #expect(response.status == 502)
      #expect(response.errorCode == "upstream_unreachable")
    }
    #expect(lab.upstream.dataCalls.count < 5, "only requests after the failure make further calls")
  }

  @Test func `a long response reaches all clients of a shared call, even beside one that reads nothing`() throws {
    let lab = try lab()
    let (count, gate) = (3 << 20, Gate())
    lab.upstream.script(UpstreamStep { $1.wait(for: gate) && UpstreamStep.large(count).run($0, $1, $2) })
    let request = Request.make("POST", Request.history)
    let stuck = try lab.connect(receiveBuffer: 8192)
    stuck.send(request)
    let readers = try ask(lab, 5, request)
    try eventually("all connections") { try lab.metric("gateway_http_connections") == 6 }
    try passTurns(lab)
    gate.open()
    let responses = try readers.map { try $0.receive(within: 20) }
    #expect(responses.allSatisfy { $0.body.count == count && $0.body == responses[0].body })
    #expect(try stuck.receive(within: 20).body == responses[0].body)
    #expect(lab.upstream.count(.history) == 1)
  }

  @Test func `a long cached response counts once in memory for any number of slow readers`() throws {
    var configuration = Self.configuration()
    configuration.listen["max_memory"] = "16MiB"
    configuration.routes["history"] = ["cache": "1h"]
    let lab = try lab(configuration)
    let count = 3 << 20
    lab.upstream.script(.large(count))
    let request = Request.make("POST", Request.history)
    let whole = try lab.call(request, within: 20)
    #expect(whole.body.count == count)
    let slow = try (0..<12).map { _ in try lab.connect(receiveBuffer: 8192).send(request) }
    try eventually("all connections") {
      try lab.metric("gateway_coalesced_requests_total", ["adapter": "main", "kind": "cached"]) == 12
    }
    #expect(try lab.call().status == 200)
    for reader in slow { #expect(try reader.receive(within: 20).body == whole.body) }
    #expect(lab.upstream.count(.history) == 1)
  }

  @Test func `a response too long to be shared reaches each client through a call of its own`() throws {
    let lab = try lab()
    let (count, gate) = (9 << 20, Gate())
    lab.upstream.always(UpstreamStep { $1.wait(for: gate) && UpstreamStep.large(count).run($0, $1, $2) })
    let readers = try ask(lab, 3, Request.make("POST", Request.history))
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    try eventually("all connections") { try lab.metric("gateway_http_connections") == 3 }
    try passTurns(lab)
    gate.open()
    for reader in readers { #expect(try reader.receive(within: 30).body.count == count) }
    #expect(lab.upstream.count(.history) == 3)
  }

  @Test func `a response stays complete when memory runs short while it is collected`() throws {
    var configuration = Self.configuration()
    configuration.listen["max_memory"] = "1MiB"
    configuration.routes["history"] = ["cache": "1h"]
    let lab = try lab(configuration)
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
    let lab = try lab(Self.configuration(["cache": "1h"]))
    let first = try lab.call()
    #expect(first["X-Gateway-Source"] == "live")
    #expect(first["Age"] == nil)
    let second = try lab.call(Request.make(fields: "X-Request-Id: the-kept-one\r\n"))
    #expect(second["X-Gateway-Source"] == "cache")
    #expect(second["Age"] == "0")
    #expect(second["X-Request-Id"] == "the-kept-one")
    #expect(second.body == first.body)
    #expect(lab.upstream.count(.values) == 1)
    try eventually("the age to grow") { try lab.call()["Age"] == "1" }
    #expect(lab.upstream.count(.values) == 1)
    try eventually("the log line") {
      lab.gateway.log.split(separator: "\n").contains { $0.contains("the-kept-one") && $0.contains(#""cache""#) }
    }
    #expect(try lab.metric("gateway_coalesced_requests_total", ["adapter": "main", "kind": "cached"]) ?? 0 >= 2)
  }

  @Test func `during a refresh other requests get the previous response, marked stale`() throws {
    let lab = try lab(Self.configuration(["cache": "50ms", "stale": "1h"]))
    lab.upstream.script(.response(#"{"code":200,"value":1}"#))
    #expect(try lab.call().text == #"{"code":200,"value":1}"#)
    let gate = Gate()
    lab.upstream.script(
      UpstreamStep { upstream, peer, call in
        peer.wait(for: gate) && peer.send(Wire.message(#"{"code":200,"value":2}"#))
      })
    let stale = try firstValue("a stale response") {
      let response = try lab.call()
      return response["X-Gateway-Source"] == "stale" ? response : nil
    }
    #expect(stale.text == #"{"code":200,"value":1}"#)
    #expect(stale["Age"] == "0")
    for connection in try ask(lab, 20) {
      let response = try connection.receive()
      #expect(response["X-Gateway-Source"] == "stale")
      #expect(response.text == #"{"code":200,"value":1}"#)
    }
    try eventually("the refresh") { lab.upstream.count(.values) == 2 }
    gate.open()
    try eventually("the new response") { try lab.call().text != #"{"code":200,"value":1}"# }
  }

  @Test func `a call for a cached route is completed after its only client has left`() throws {
    let lab = try lab(Self.configuration(["cache": "1h"]))
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.script(.held(by: gate))
    let only = try lab.connect().send(Request.make())
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    only.socket.reset()
    try eventually("the client to be gone") { try lab.metric("gateway_http_connections") == 0 }
    gate.open()
    try eventually("the cached response") { try lab.call()["X-Gateway-Source"] == "cache" }
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `an error is not cached, and a failed refresh keeps the previous response`() throws {
    let lab = try lab(Self.configuration(["cache": "1h"]))
    lab.upstream.script(
      .envelope(500), .response("{}", status: "500 Internal Server Error"),
      .response(#"{"code":200,"errors":[{"pointId":"P","code":404,"error":"unknown"}]}"#),
      .response(#"{"code":200}"#, fields: "Content-Encoding: identity\r\n"))
    for _ in 0..<4 { #expect(try lab.call()["X-Gateway-Source"] == "live") }
    #expect(try lab.call()["X-Gateway-Source"] == "live")
    #expect(try lab.call()["X-Gateway-Source"] == "cache")
    #expect(lab.upstream.count(.values) == 5)
  }

  @Test func `a cached response of the mock is still marked mock`() throws {
    var configuration = Self.configuration(["cache": "1h"])
    configuration.defaults["adapter"] = "demo"
    let lab = try Lab(configuration)
    let request = Request.make("POST", Request.values, body: #"{"codes":["C_5001_AV_0001"]}"#)
    let first = try lab.call(request)
    #expect(first["X-Gateway-Source"] == "mock")
    #expect(first["Age"] == nil)
    let second = try lab.call(request)
    #expect(second["X-Gateway-Source"] == "mock")
    #expect(second["Age"] == "0")
    #expect(second.body == first.body)
  }

  @Test func `a reload drops the cached responses of a changed adapter and keeps those of an unchanged one`() throws {
    var configuration = Self.configuration(["cache": "1h"])
    let lab = try lab(configuration)
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
    var configuration = Self.configuration(["cache": "1h"])
    configuration.adapters["main"]?.settings["first_byte_timeout"] = "120s"
    configuration.adapters["main"]?.settings["total_timeout"] = "120s"
    configuration.listen["drain_timeout"] = "120s"
    let lab = try lab(configuration)
    lab.upstream.script(.hang)
    let caller = try lab.connect().send(Request.make())
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    if leavesBefore {
      caller.socket.reset()
      try eventually("the caller to be gone") { try lab.metric("gateway_http_connections") == 0 }
    }
    lab.gateway.signal(SIGTERM)
    try eventually("the listener to close") { (try? lab.connect()) == nil }
    if !leavesBefore { caller.socket.reset() }
    #expect(try lab.gateway.waitForExit(within: 60) == 0)
  }

  @Test func `a reload and a drain let a shared call end for all its waiters`() throws {
    var configuration = Self.configuration()
    let lab = try lab(configuration)
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.script(.held(by: gate))
    let callers = try ask(lab, 5)
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    try eventually("all connections") { try lab.metric("gateway_http_connections") == 5 }
    try passTurns(lab)
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
