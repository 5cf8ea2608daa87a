import Foundation
import TestSupport
import Testing

@Suite("Overload of the upstream", .blocking)
struct OverloadTests {
  private static func make(_ path: String) -> [UInt8] {
    Request.make("POST", path, body: path == Request.set ? Request.setBody : Request.valuesBody)
  }

  /// A gateway with its token, and with times that no test reaches by chance, even on a busy machine.
  private static func lab(_ settings: [String: String]) throws -> Lab {
    let times = ["first_byte_timeout": "60s", "total_timeout": "60s"]
    return try Lab(.upstream(settings.merging(times) { $1 })) { $0.defaults["timeout"] = "60s" }.withToken()
  }

  /// The kinds of the upstream's data calls, in order of arrival.
  private static func order(_ lab: Lab) -> [ScriptedWebTalk.Call.Kind] { lab.upstream.dataCalls.map(\.kind) }

  private static func expectShed(_ response: TestMessage) {
    #expect(response.outcome == "503 overloaded")
    #expect(response["Retry-After"].flatMap { Int($0) }.map { $0 >= 1 } == true)
  }

  @Test
  func `five hundred requests for eight permits all get a response, and memory stays constant`() throws {
    let lab = try Self.lab(["max_in_flight": "8", "queue": "{size: 16, wait: 60s}"])
    let callers = try (0..<500).map { _ in try lab.connect() }
    var memory: [Int] = []
    for _ in 0..<4 {
      lab.upstream.forgetCalls()
      let (first, others) = (Gate(), Gate())
      // The upstream's threads must end even if an expectation fails.
      defer { others.open() }
      defer { first.open() }
      lab.upstream.script(.held(by: first))
      lab.upstream.always(.held(by: others))
      for caller in callers { caller.send(Request.make()) }
      try eventually("eight calls", within: 50) { lab.upstream.dataCalls.count == 8 }
      try eventually("503 for the rest", within: 50) {
        try lab.metric("gateway_upstream_requests_total", ["class": "shed"]) ?? 0 >= Double(476 + memory.count * 477)
      }
      let write = try lab.connect().send(Self.make(Request.set))
      // It evicts a waiter of lower priority.
      try eventually("an eviction for the write", within: 50) {
        try lab.metric("gateway_upstream_requests_total", ["class": "shed"]) ?? 0 >= Double(477 + memory.count * 477)
      }
      #expect(lab.upstream.dataCalls.count == 8)
      first.open()
      try eventually("the next call", within: 50) { lab.upstream.dataCalls.count == 9 }
      #expect(Self.order(lab).last == .set)
      others.open()
      #expect(try write.receive(within: 50).status == 200)
      let responses = try callers.map { try $0.receive(within: 50) }
      #expect(responses.count { $0.status == 200 } == 23)
      for response in responses where response.status != 200 { Self.expectShed(response) }
      memory.append(lab.gateway.residentMemory)
    }
    // The first rounds fill buffers that later rounds reuse.
    #expect(memory[3] - memory[1] < 2 << 20, "\(memory)")
    lab.upstream.always(nil)
    try lab.expectHealthy()
  }

  /// A gateway with the default limits: the configuration names the upstream and nothing else.
  private static func labWithDefaults(_ change: (inout GatewayConfiguration) -> Void = { _ in }) throws -> Lab {
    try Lab {
      $0.listen = ["address": "127.0.0.1:0"]
      $0.log = ["level": "warning", "access": "false"]
      $0.adapters["main"]?.settings = ["base_url": "{env: BASE_URL}", "app_id": "{env: APP_ID}"]
      $0.defaults = ["adapter": "main"]
      $0.routes = ["values": ["coalesce": "true"]]
      change(&$0)
    }
  }

  private static func values(_ code: String) -> [UInt8] { Request.make(body: #"{"codes":["\#(code)"]}"#) }

  @Test func `a thousand panels that poll different codes at the same moment all get their values`() throws {
    // Cold: there is neither a token nor a connection.
    let lab = try Self.labWithDefaults()
    lab.upstream.always(.delay(0.02))
    let panels = try (0..<1000).map { _ in try lab.connect() }
    let requests = panels.indices.map { Self.values("P\($0)") }
    for round in 1...2 {
      for (panel, request) in zip(panels, requests) { panel.send(request) }
      for (number, panel) in panels.enumerated() {
        let response = try panel.receive(within: 50)
        #expect(response.outcome == "200" && response.text == Wire.points(["P\(number)"]), "round \(round)")
      }
    }
    #expect(lab.upstream.count(.authorization) == 1)
    #expect(lab.upstream.count(.values) == 2000)
  }

  @Test func `forty callers of a slow upstream are all in flight at once, with default limits`() throws {
    let lab = try Self.labWithDefaults().withToken()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(.held(by: gate))
    let callers = try (0..<40).map { try lab.connect().send(Self.values("P\($0)")) }
    try eventually("forty calls at the upstream", within: 50) { lab.upstream.dataCalls.count == 40 }
    gate.open()
    for caller in callers { #expect(try caller.receive(within: 50).status == 200) }
  }

  @Test func `a write passes hundreds of waiting reads at once, with default limits`() throws {
    let lab = try Self.labWithDefaults { $0.adapters["main"]?.settings["queue"] = "{wait: 60s}" }.withToken()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(
      UpstreamStep { upstream, peer, call in
        (call.kind == .set ? .normal : UpstreamStep.held(by: gate)).run(upstream, peer, call)
      })
    let readers = try (0..<500).map { try lab.connect().send(Self.values("P\($0)")) }
    try eventually("all reads in flight or waiting", within: 50) {
      try lab.metric("gateway_upstream_inflight", ["adapter": "main"]) == 500 && lab.upstream.dataCalls.count == 63
    }
    for _ in 0..<3 { #expect(try lab.call(Self.make(Request.set)).status == 200) }
    gate.open()
    for reader in readers { #expect(try reader.receive(within: 50).status == 200) }
  }

  @Test func `the bodies of waiting requests count in max_memory, and what does not fit is refused`() throws {
    let lab = try Self.labWithDefaults {
      $0.listen["max_memory"] = "1MiB"
      $0.adapters["main"]?.settings["queue"] = "{wait: 60s}"
      $0.routes = [:]
    }.withToken()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(.held(by: gate))
    // Sixteen bodies of 64 KiB fill the memory.
    let long = String(repeating: "x", count: 64 << 10)
    let callers = try (0..<40).map { try lab.connect().send(Self.values("\($0)" + long)) }
    try eventually("503 for what does not fit", within: 50) {
      try lab.metric("gateway_http_requests_total", ["status": "503"]) ?? 0 >= 24
    }
    gate.open()
    let responses = try callers.map { try $0.receive(within: 50) }
    let refused = responses.filter { $0.status != 200 }
    #expect((24...26).contains(refused.count))
    for response in refused { Self.expectShed(response) }
    try lab.expectHealthy()
  }

  @Test func `waiting calls are served by priority: writes and alarms, then values, then history`() throws {
    let lab = try Self.lab(["max_in_flight": "1", "queue": "{size: 64, wait: 60s}"])
    let gate = Gate()
    defer { gate.open() }
    let holder = try lab.begin(.held(by: gate))
    let paths = [
      Request.history, Request.values, Request.alarms, Request.set, Request.history, Request.values, Request.set,
    ]
    let callers = try paths.map { try lab.connect().send(Self.make($0)) }
    try eventually("all in the queue") { try lab.metric("gateway_upstream_inflight") == 8 }
    gate.open()
    for caller in callers + [holder] { #expect(try caller.receive(within: 50).status == 200) }
    let priorities = Self.order(lab).dropFirst().map { kind in
      switch kind {
      case .set, .alarms: 0
      case .values: 1
      default: 2
      }
    }
    #expect(priorities == [0, 0, 0, 1, 1, 2, 2])
  }

  @Test func `history never holds all permits`() throws {
    let lab = try Self.lab(["max_in_flight": "4", "queue": "{size: 64, wait: 60s}"])
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(.held(by: gate))
    let downloads = try (0..<10).map { _ in try lab.connect().send(Self.make(Request.history)) }
    try eventually("all connections") { try lab.metric("gateway_upstream_inflight") == 10 }
    try eventually("three at the upstream") { lab.upstream.dataCalls.count == 3 }
    lab.upstream.always(nil)
    for path in [Request.values, Request.set, Request.values] {
      #expect(try lab.call(Self.make(path)).status == 200)
    }
    #expect(Self.order(lab) == [.history, .history, .history, .values, .set, .values])
    gate.open()
    for download in downloads { #expect(try download.receive(within: 50).status == 200) }
  }

  @Test func `a client that leaves frees its place in the queue at once`() throws {
    let lab = try Self.lab(["max_in_flight": "1", "queue": "{size: 1, wait: 60s}"])
    let gate = Gate()
    defer { gate.open() }
    let holder = try lab.begin(.held(by: gate))
    for round in 0..<3 {
      let leaving = try lab.connect().send(Request.make())
      try eventually("the request to wait") { try lab.metric("gateway_upstream_inflight") == 2 }
      Self.expectShed(try lab.call())
      leaving.socket.reset()
      try eventually("the request to leave, round \(round)") { try lab.metric("gateway_upstream_inflight") == 1 }
    }
    let next = try lab.connect().send(Request.make())
    try eventually("the next one waits") { try lab.metric("gateway_upstream_inflight") == 2 }
    gate.open()
    #expect(try holder.receive().status == 200)
    #expect(try next.receive().status == 200)
    #expect(lab.upstream.dataCalls.count == 2)
  }

  @Test(arguments: [("15s", "15s", "300ms"), ("15s", "300ms", "15s"), ("300ms", "15s", "15s")])
  func `the earliest deadline ends a wait in the queue`(wait: String, total: String, route: String) throws {
    let configuration = GatewayConfiguration.upstream([
      "max_in_flight": "1", "queue": "{size: 8, wait: \(wait)}", "total_timeout": total, "first_byte_timeout": "15s",
    ])
    // The timeout of the route for values must not end before the tested one.
    let routes = ["history": ["timeout": route], "values": ["timeout": "15s"]]
    let lab = try Lab(configuration) { $0.routes = routes }.withToken()
    let gate = Gate()
    defer { gate.open() }
    lab.upstream.always(.held(by: gate))
    let holder = try lab.begin(.held(by: gate))
    defer { holder.socket.close() }
    let response = try lab.call(Self.make(Request.history), within: 10)
    #expect([503, 504].contains(response.status))
    if response.status == 503 { Self.expectShed(response) }
    // When the first call has timed out too, the second may have been sent.
    #expect(lab.upstream.dataCalls.count <= (total == "300ms" ? 2 : 1))
  }
}
