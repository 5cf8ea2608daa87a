import AdapterAPI
import TestSupport
import Testing

@testable import Host

struct ConnectionScheduleTests {
  private static let addresses = (1...3).compactMap { SocketAddress(numeric: "10.0.0.\($0)", port: 80) }
  private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

  @Test func `the next address is tried 250 ms after the one before, or at once when an attempt has failed`() {
    let (a, b, c) = (Self.addresses[0], Self.addresses[1], Self.addresses[2])
    var schedule = ConnectionSchedule(Self.addresses)
    #expect(schedule.next(at: Self.at(0)) == .connect(a))
    #expect(schedule.next(at: Self.at(0)) == .wait(until: Self.at(250)))
    #expect(schedule.next(at: Self.at(249)) == .wait(until: Self.at(250)))
    #expect(schedule.next(at: Self.at(250)) == .connect(b))
    #expect(schedule.next(at: Self.at(300)) == .wait(until: Self.at(500)))
    schedule.attemptFailed()
    #expect(schedule.next(at: Self.at(300)) == .connect(c))
    #expect(schedule.next(at: Self.at(900)) == .wait(until: nil))
    schedule.attemptFailed()
    #expect(schedule.next(at: Self.at(900)) == .wait(until: nil), "one attempt is under way")
    schedule.attemptFailed()
    #expect(schedule.next(at: Self.at(900)) == .over)
  }

  @Test func `a name without addresses is over at once`() {
    var schedule = ConnectionSchedule([])
    #expect(schedule.next(at: Self.at(0)) == .over)
  }

  @Test func `the address that accepted a connection is tried first, and failed ones wait their turn`() {
    let (a, b, c) = (Self.addresses[0], Self.addresses[1], Self.addresses[2])
    var history = AddressHistory()
    #expect(history.ordered([a, b, c]) == [a, b, c])
    history.failed(a)
    #expect(history.ordered([a, b, c]) == [b, c, a])
    history.connected(to: c, before: [b])
    #expect(history.ordered([a, b, c]) == [c, a, b])
    history.connected(to: a, before: [])
    #expect(history.ordered([a, b, c]) == [a, c, b])
    // The address of the last connection fails, then all.
    history.failed(a)
    #expect(history.ordered([a, b, c]) == [c, b, a])
    for address in [c, a, b] { history.failed(address) }
    #expect(history.ordered([a, b, c]) == [c, a, b])
    // The name has changed: nothing is known of an address that comes back.
    #expect(history.ordered([b]) == [b])
    #expect(history.ordered([a, b, c]) == [a, c, b])
  }
}

@Suite(.blocking) struct ConnectionRaceTests {
  private static let url = BaseURL(isTLS: false, host: "gateway.test", port: 80, path: "")

  /// Runs the test with an upstream whose name has these addresses. A single attempt may take longer than a test waits, so that a
  /// request succeeds only if an attempt at another address has begun meanwhile.
  private static func with(
    _ addresses: [SocketAddress], _ limits: [(inout Configuration.UpstreamLimits) -> Void] = [],
    test: (ClientRig) async throws -> Void
  ) async throws {
    let names = ScriptedNames()
    names.set("gateway.test", to: addresses)
    try await ClientRig.with(Self.url, [{ $0.connectTimeout = .seconds(300) }] + limits, Resolver(names), test: test)
  }

  /// An address that refuses connections.
  private static func refusing() throws -> SocketAddress {
    let port = try TestSocket.listening().port
    return try #require(SocketAddress(numeric: "127.0.0.1", port: port))
  }

  @Test func `a dead first address does not keep a request from the second`() async throws {
    let (dead, upstream) = (try SilentListener(), try ScriptedUpstream.answering(ok("fine")))
    try await Self.with([dead.address, upstream.address]) { rig in
      #expect(await rig.send().text == "fine")
      #expect(await rig.connections() == 1, "the attempt at the dead address is closed")
    }
  }

  @Test func `one connection is enough to reach an address behind two dead ones`() async throws {
    let dead = try [SilentListener(), SilentListener()]
    let upstream = try ScriptedUpstream.answering(ok("fine"))
    try await Self.with(
      dead.map(\.address) + [upstream.address], [{ $0.maxConnections = 1 }, { $0.maxInFlight = 1 }]
    ) { rig in
      for _ in 0..<3 { #expect(await rig.send().text == "fine") }
      #expect(upstream.peers.count == 1)
    }
  }

  @Test func `the address that worked is tried first from then on`() async throws {
    let dead = try SilentListener()
    let upstream = try ScriptedUpstream { peer in
      // A new connection for every request.
      if peer.takeRequest() != nil { peer.socket.sendAndFinish(ok("fine")) }
    }
    try await Self.with([dead.address, upstream.address]) { rig in
      #expect(await rig.send().text == "fine")
      let attempts = Collected<Int>()
      for _ in 0..<20 {
        let call = rig.start()
        attempts.add(
          await onLoop(rig.loop) {
            rig.loop.allObjects.count { ($0 as? UpstreamConnection)?.address == dead.address }
          })
        #expect(await call.value.text == "fine")
      }
      #expect(attempts.all.allSatisfy { $0 == 0 })
      #expect(upstream.peers.count == 21)
    }
  }

  @Test func `a refused first address is followed by the second, and stands behind it afterwards`() async throws {
    let upstream = try ScriptedUpstream.answering(ok("fine"))
    try await Self.with([try Self.refusing(), upstream.address], [{ $0.readRetries = 0 }]) { rig in
      #expect(await rig.send(write).text == "fine")
      #expect(await rig.send().text == "fine")
      #expect(upstream.peers.count == 1)
    }
  }

  @Test func `the error names the address of the last attempt, and no permit is lost`() async throws {
    let addresses = [try Self.refusing(), try Self.refusing()]
    try await Self.with(addresses, [{ $0.readRetries = 0 }, { $0.maxConnections = 1 }]) { rig in
      for turn in 0..<4 {
        let result = await rig.send()
        #expect(result.code == .unreachable && result.mayHaveActed == false)
        #expect(result.detail?.hasPrefix("\(addresses[1]): connect: ") == true, "turn \(turn): \(result)")
      }
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `the request's deadline ends attempts at dead addresses`() async throws {
    let dead = try [SilentListener(), SilentListener()]
    try await Self.with(dead.map(\.address), [{ $0.maxConnections = 1 }]) { rig in
      for limit: Int64 in [20, 400] {
        let result = await rig.send(write, within: limit)
        #expect(result.code == .timeout && result.mayHaveActed == false)
        #expect(await rig.connections() == 0)
      }
    }
  }

  @Test func `connect_timeout ends each attempt, and the next address follows`() async throws {
    let dead = try [SilentListener(), SilentListener()]
    try await Self.with(dead.map(\.address), [{ $0.connectTimeout = .milliseconds(30) }]) { rig in
      let result = await rig.send(write)
      #expect(result.code == .timeout)
      #expect(result.detail == "\(dead[1].address): no connection within connect_timeout")
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a caller that leaves ends all attempts`() async throws {
    let dead = try [SilentListener(), SilentListener(), SilentListener()]
    try await Self.with(dead.map(\.address), [{ $0.maxConnections = 1 }]) { rig in
      for attempts in [1, 3] {
        let call = rig.start()
        #expect(await eventually { await rig.connections() >= attempts })
        call.cancel()
        #expect(await call.value.code == .cancelled)
        #expect(await eventually { await rig.connections() == 0 })
      }
    }
  }
}
