import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.loops(2)) struct CachedResponseTests {
  private let rig = SharingRig()
  private let policy = Shared.policy(cache: 3600)
  /// Fresh for the turn in which the response came, then stale for an hour.
  private let soonStale = SharingPolicy(cache: 1, stale: 3600 * Shared.second, settle: Shared.second)

  @Test func `a cached response serves requests on any loop without a call`() async {
    rig.gate.open()
    #expect(await rig.ask(by: policy).value == .response(#"{"code":200}"#))
    for loop in 0..<4 {
      #expect(await rig.ask(on: loop, by: policy).value == .cached(#"{"code":200}"#, isStale: false))
    }
    #expect(rig.callCount == 1)
  }

  @Test func `a stale response serves all requests during one refresh, then the new one does`() async {
    let first = rig.ask(by: soonStale) { .success(Shared.response(#"{"value":1}"#)) }
    #expect(await rig.waits(1))
    let gate = rig.gate
    gate.open()
    #expect(await first.value == .response(#"{"value":1}"#))
    gate.close()
    for loop in 0..<20 {
      let outcome = await rig.ask(on: loop, by: soonStale) { .success(Shared.response(#"{"value":2}"#)) }.value
      #expect(outcome == .cached(#"{"value":1}"#, isStale: true))
    }
    #expect(rig.callCount == 2, "one refresh")
    gate.open()
    #expect(
      await eventually {
        await rig.ask(by: soonStale, mayRenew: false).value == .cached(#"{"value":2}"#, isStale: true)
      })
  }

  @Test(
    arguments: [
      .failure(GatewayError(.upstreamTimeout, "")), .success(AdapterResponse(json: [], status: 500)),
      .success(Shared.response("[]")), .success(PieceStream([.failure(.malformed("cut off"))]).response()),
      .success(PieceStream(count: 6, isLengthKnown: true).response()),
    ] as [Sharing.CallResult])
  func `a refresh without a cacheable response leaves the previous one, and waits before the next`(
    result: Sharing.CallResult
  ) async {
    rig.gate.open()
    _ = await rig.ask(by: soonStale).value
    // The next refresh may be tried a second after this one: a machine that is slower looks less often.
    let end = System.monotonic() + ResponseCache.refreshPause
    for loop in 0..<20 {
      let outcome = await rig.ask(on: loop, by: soonStale) { result }.value
      guard System.monotonic() < end else { break }
      #expect(outcome == .cached(#"{"code":200}"#, isStale: true))
      #expect(rig.callCount == 2)
    }
    #expect(rig.memory.used == rig.sharing.cacheMemory.used)
  }

  @Test func `a call of a route without a cache postpones no refresh`() async {
    rig.gate.open()
    _ = await rig.ask(by: soonStale).value
    #expect(await rig.ask().value == .response(#"{"code":200}"#))
    #expect(await rig.ask(by: soonStale).value == .cached(#"{"code":200}"#, isStale: true))
    #expect(rig.callCount == 3, "the last one has begun a refresh")
  }

  @Test func `no refresh is begun while the budget allows none`() async {
    rig.gate.open()
    _ = await rig.ask(by: soonStale).value
    for _ in 0..<5 {
      #expect(await rig.ask(by: soonStale, mayRenew: false).value == .cached(#"{"code":200}"#, isStale: true))
    }
    #expect(rig.callCount == 1)
  }

  @Test func `a response is cached although its only request was cancelled`() async {
    let asked = rig.ask(by: policy)
    #expect(await rig.waits(1))
    asked.cancel()
    #expect(await asked.value == .cancelled)
    rig.gate.open()
    #expect(await eventually { await rig.ask(by: policy).value == .cached(#"{"code":200}"#, isStale: false) })
    #expect(rig.callCount == 1)
  }

  @Test func `a request whose callers have left counts once in the server's memory`() async {
    let body = #"{"a":""# + String(repeating: "x", count: 1 << 20) + "\"}"
    let callers = (0..<3).map { _ in rig.ask(body, by: policy) }
    #expect(await rig.waits(3, for: body))
    for caller in callers { caller.cancel() }
    for caller in callers { #expect(await caller.value == .cancelled) }
    #expect((1 << 20..<2 << 20).contains(rig.memory.used), "the request counts once")
    rig.gate.open()
    #expect(await eventually { rig.sharing.cacheMemory.used > 0 && rig.memory.used == rig.sharing.cacheMemory.used })
  }

  @Test func `evictToLimit evicts down to a smaller memory limit`() async {
    let rig = SharingRig(memory: 40 << 20)
    rig.gate.open()
    let large = Shared.response(#"{"x":""# + String(repeating: "x", count: 200_000) + "\"}")
    for number in 0..<40 { _ = await rig.ask("{\(number)}", by: policy) { .success(large) }.value }
    #expect(rig.sharing.cacheMemory.used > 7 << 20)
    rig.memory.limit = 4 << 20
    rig.sharing.evictToLimit()
    #expect(rig.sharing.cacheMemory.used <= 1 << 20)
    #expect(await eventually { rig.memory.used == rig.sharing.cacheMemory.used })
    rig.memory.limit = 0
    rig.sharing.evictToLimit()
    #expect(rig.sharing.isEmpty)
  }

  @Test func `a write ends cached responses, and none is cached while it settles`() async {
    rig.gate.open()
    let policy = Shared.policy(cache: 3600, settle: 3600)
    _ = await rig.ask(by: policy).value
    #expect(await rig.ask(by: policy).value == .cached(#"{"code":200}"#, isStale: false))
    await rig.write {
      #expect(await rig.ask(by: policy).value == .response(#"{"code":200}"#))
    }
    for _ in 0..<3 { #expect(await rig.ask(by: policy).value == .response(#"{"code":200}"#)) }
    #expect(rig.callCount == 5)
    #expect(rig.sharing.cacheMemory.used == 0)
  }

  @Test func `a response is not cached when a write ran during its call`() async {
    let policy = Shared.policy(cache: 3600, settle: 0)
    let asked = rig.ask(by: policy)
    #expect(await rig.waits(1))
    await rig.write()
    rig.gate.open()
    #expect(await asked.value == .response(#"{"code":200}"#))
    #expect(rig.sharing.cacheMemory.used == 0)
    #expect(await rig.ask(by: policy).value == .response(#"{"code":200}"#))
  }

  @Test func `expired responses are removed by time alone`() async {
    rig.gate.open()
    let brief = SharingPolicy(cache: 1_000_000, stale: 0, settle: 0)
    for number in 0..<100 { _ = await rig.ask("{\(number)}", by: brief).value }
    #expect(await eventually { rig.sharing.cacheMemory.used == 0 && rig.sharing.isEmpty })
    #expect(rig.memory.used == 0)
    _ = await rig.ask(by: brief).value
    #expect(await eventually { rig.sharing.cacheMemory.used == 0 }, "a second time")
  }

  @Test func `the memory bound holds over all stripes, and a new response evicts old ones`() async {
    let rig = SharingRig(memory: 1 << 20)
    rig.gate.open()
    let large = Shared.response(#"{"x":""# + String(repeating: "x", count: 60_000) + "\"}")
    for number in 0..<40 {
      #expect(await rig.ask("{\(number)}", by: policy) { .success(large) }.value == .response(large.text))
      #expect(rig.sharing.cacheMemory.used <= 256 << 10)
      #expect(await rig.ask("{\(number)}", by: policy).value == .cached(large.text, isStale: false))
    }
    #expect(rig.callCount == 40)
  }
}
