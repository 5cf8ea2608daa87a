import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamAddressesTests {
  private static let url = BaseURL(isTLS: false, host: "gateway.test", port: 80, path: "")

  /// Runs the test with the addresses of a name that is looked up again after a millisecond, and the changes that were reported.
  private static func with(
    _ names: ScriptedNames, refresh: Duration = .milliseconds(1), url: BaseURL = url,
    test: (EventLoop, UpstreamAddresses, Collected<[String]>) async throws -> Void
  ) async throws {
    try await withLoop { loop in
      let changes = Collected<[String]>()
      let addresses = UpstreamAddresses(of: url, resolver: Resolver(names), refresh: refresh) {
        changes.add($0.map(\.host))
      }
      try await test(loop, addresses, changes)
      addresses.shutdown()
      #expect(await eventually { await onLoop(loop) { loop.allObjects.isEmpty } })
    }
  }

  private static func current(_ addresses: UpstreamAddresses, on loop: EventLoop) async -> [String]? {
    await task(on: loop) { try? await addresses.current(deadline: inMilliseconds(60_000)).map(\.host) }.value
  }

  @Test func `a name is looked up again after dns_refresh without a request, and a change is reported`() async throws {
    let names = ScriptedNames(["gateway.test": ["10.0.0.1"]])
    try await Self.with(names) { loop, addresses, changes in
      #expect(await Self.current(addresses, on: loop) == ["10.0.0.1"])
      #expect(await eventually { names.asked.count > 3 })
      #expect(changes.count == 0, "another order, or the same again, is no change")
      names["gateway.test"] = ["10.0.0.2", "10.0.0.3"]
      #expect(await eventually { changes.all == [["10.0.0.2", "10.0.0.3"]] })
      #expect(await Self.current(addresses, on: loop) == ["10.0.0.2", "10.0.0.3"])
    }
  }

  @Test func `a name is not looked up again before dns_refresh`() async throws {
    let names = ScriptedNames(["gateway.test": ["10.0.0.1"]])
    try await Self.with(names, refresh: .seconds(3600)) { loop, addresses, _ in
      for _ in 0..<20 { #expect(await Self.current(addresses, on: loop) == ["10.0.0.1"]) }
      #expect(names.asked.count == 1)
    }
  }

  @Test func `the last addresses stay in use while a lookup hangs, and when it fails`() async throws {
    let names = ScriptedNames(["gateway.test": ["10.0.0.1"]])
    try await Self.with(names) { loop, addresses, changes in
      #expect(await Self.current(addresses, on: loop) == ["10.0.0.1"])
      names.hold("gateway.test")
      // The lookups of before have ended when none was begun for a while; the held one is then under way.
      let held = names.asked.count
      #expect(await eventually { names.asked.count > held })
      for _ in 0..<5 { #expect(await Self.current(addresses, on: loop) == ["10.0.0.1"]) }
      names["gateway.test"] = nil
      names.release("gateway.test")
      let failed = names.asked.count
      #expect(await eventually { names.asked.count > failed + 2 })
      #expect(await Self.current(addresses, on: loop) == ["10.0.0.1"])
      names["gateway.test"] = ["10.0.0.9"]
      #expect(await eventually { changes.all == [["10.0.0.9"]] })
    }
  }

  @Test func `a numeric host is never looked up`() async throws {
    let names = ScriptedNames()
    let url = BaseURL(isTLS: false, host: "127.0.0.1", port: 80, path: "")
    try await Self.with(names, url: url) { loop, addresses, _ in
      #expect(await Self.current(addresses, on: loop) == ["127.0.0.1"])
      #expect(await onLoop(loop) { loop.allObjects.isEmpty })
      #expect(names.asked.isEmpty)
    }
  }

  @Test func `a connection to an address that the name no longer has is not used again`() async throws {
    let upstreams = try ["old", "new"].map { try ScriptedUpstream.answering(ok($0)) }
    let names = ScriptedNames()
    names.set("gateway.test", to: [upstreams[0].address])
    try await ClientRig.with(Self.url, loops: 2, [{ $0.dnsRefresh = .milliseconds(1) }], Resolver(names)) { rig in
      for loop in 0..<2 { #expect(await rig.send(on: loop).text == "old") }
      #expect(await rig.connections() == 2)
      names.set("gateway.test", to: [upstreams[1].address])
      #expect(await eventually { await rig.connections() == 0 })
      for loop in 0..<2 { #expect(await rig.send(on: loop).text == "new") }
      // An address that stays is no reason to close a connection.
      names.set("gateway.test", to: [upstreams[0].address, upstreams[1].address])
      let asked = names.asked.count
      #expect(await eventually { names.asked.count > asked + 2 })
      #expect(await rig.connections() == 2)
      #expect(upstreams[1].peers.count == 2)
    }
  }

  @Test func `a connection in use to an address that the name no longer has is closed after its response`() async throws
  {
    let signal = ThreadSignal()
    let old = try ScriptedUpstream.answering(ok("old"), after: signal)
    let new = try ScriptedUpstream.answering(ok("new"))
    let names = ScriptedNames()
    names.set("gateway.test", to: [old.address])
    try await ClientRig.with(Self.url, [{ $0.dnsRefresh = .milliseconds(1) }], Resolver(names)) { rig in
      let running = rig.start()
      #expect(await eventually { old.requests.count == 1 })
      names.set("gateway.test", to: [new.address])
      let asked = names.asked.count
      #expect(await eventually { names.asked.count > asked + 2 })
      #expect(await rig.send().text == "new")
      signal.signal()
      #expect(await running.value.text == "old")
      #expect(await eventually { await rig.connections() == 1 })
      #expect(await rig.send().text == "new")
    }
  }
}
