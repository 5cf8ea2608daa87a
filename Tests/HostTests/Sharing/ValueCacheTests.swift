import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite("The value cache")
struct ValueCacheTests {
  /// Fresh for the turn in which it came, then stale for an hour.
  private let soonStale = SharingPolicy(cache: 1, stale: 3600 * Shared.second, settle: Shared.second)

  @Test func `a kept answer needs no call, on any loop`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      rig.gate.open()
      let policy = Shared.policy(cache: 3600)
      #expect(await rig.ask(by: policy).value == .answer(#"{"code":200}"#))
      for loop in 0..<4 {
        #expect(await rig.ask(on: loop, by: policy).value == .kept(#"{"code":200}"#, isStale: false))
      }
      #expect(rig.callCount == 1)
    }
  }

  @Test func `a stale answer is given to all while one refresh runs, and then the new one`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let first = rig.ask(by: soonStale) { .success(Shared.answer(#"{"value":1}"#)) }
      #expect(await rig.waits(1))
      let gate = rig.gate
      gate.open()
      #expect(await first.value == .answer(#"{"value":1}"#))
      gate.close()
      for loop in 0..<20 {
        let outcome = await rig.ask(on: loop, by: soonStale) { .success(Shared.answer(#"{"value":2}"#)) }.value
        #expect(outcome == .kept(#"{"value":1}"#, isStale: true))
      }
      #expect(rig.callCount == 2, "the refresh is nobody's, and one")
      gate.open()
      #expect(
        await eventually {
          await rig.ask(by: soonStale, mayRenew: false).value == .kept(#"{"value":2}"#, isStale: true)
        })
    }
  }

  @Test(
    "a refresh that brings nothing to keep leaves the previous answer, and is not tried again at once",
    arguments: [
      .failure(GatewayError(.upstreamTimeout, "")), .success(AdapterResponse(json: [], status: 500)),
      .success(Shared.answer("[]")), .success(PieceStream([.failure(.malformed("cut off"))]).answer()),
      .success(PieceStream(count: 6, isLengthKnown: true).answer()),
    ] as [Sharing.CallResult])
  func refreshFails(result: Sharing.CallResult) async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      rig.gate.open()
      _ = await rig.ask(by: soonStale).value
      // The next refresh may be tried a second after this one: a machine that is slower looks less often.
      let end = System.monotonic() + KeptAnswers.refreshPause
      for loop in 0..<20 {
        let outcome = await rig.ask(on: loop, by: soonStale) { result }.value
        guard System.monotonic() < end else { break }
        #expect(outcome == .kept(#"{"code":200}"#, isStale: true))
        #expect(rig.callCount == 2)
      }
      #expect(rig.memory.used == rig.sharing.kept.used)
    }
  }

  @Test func `a call of a route that keeps nothing puts off no refresh`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      _ = await rig.ask(by: soonStale).value
      #expect(await rig.ask().value == .answer(#"{"code":200}"#))
      #expect(await rig.ask(by: soonStale).value == .kept(#"{"code":200}"#, isStale: true))
      #expect(rig.callCount == 3, "the last one has begun a refresh")
    }
  }

  @Test func `no refresh is begun where none may be`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      _ = await rig.ask(by: soonStale).value
      for _ in 0..<5 {
        #expect(await rig.ask(by: soonStale, mayRenew: false).value == .kept(#"{"code":200}"#, isStale: true))
      }
      #expect(rig.callCount == 1)
    }
  }

  @Test func `who is about to renew an old answer takes a new one that has come meanwhile`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      let (key, loop) = (Shared.key(), group.loops[0])
      let policy = SharingPolicy(cache: 1, stale: 0, settle: 0, reserve: 3600 * Shared.second)
      let text = await task(on: loop) {
        @Sendable func keep(_ text: String, at now: Instant) {
          let flight = Flight(key, epoch: 0, began: now, policy: policy)
          rig.sharing.withStripe(of: key) { _ = $0.answers.keep(Shared.answer(text), of: flight, now: now) }
        }
        keep("old", at: loop.now.advanced(byNanoseconds: -10 * Shared.second))
        let found = rig.sharing.look(key, policy, rig.writes, FlightWaits(loop: loop)) {
          keep("new", at: loop.now)
          return true
        }
        guard case .kept(let read, refresh: nil) = found else { return "a call" }
        return read.response.text
      }.value
      #expect(text == "new")
      #expect(rig.sharing.withStripe(of: key) { $0.flights.isEmpty })
    }
  }

  @Test func `what was asked for is kept, also when everybody has left`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      let policy = Shared.policy(cache: 3600)
      let asked = rig.ask(by: policy)
      #expect(await rig.waits(1))
      asked.cancel()
      #expect(await asked.value == .cancelled)
      rig.gate.open()
      #expect(await eventually { await rig.ask(by: policy).value == .kept(#"{"code":200}"#, isStale: false) })
      #expect(rig.callCount == 1)
    }
  }

  @Test func `what nobody waits for counts in the server's memory`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      let policy = Shared.policy(cache: 3600)
      let body = #"{"a":""# + String(repeating: "x", count: 1 << 20) + "\"}"
      let callers = (0..<3).map { _ in rig.ask(body, by: policy) }
      #expect(await rig.waits(3, for: body))
      for caller in callers { caller.cancel() }
      for caller in callers { #expect(await caller.value == .cancelled) }
      #expect((1 << 20..<2 << 20).contains(rig.memory.used), "the request once, however many have left")
      rig.gate.open()
      #expect(await eventually { rig.sharing.kept.used > 0 && rig.memory.used == rig.sharing.kept.used })
    }
  }

  @Test func `when the server's memory becomes smaller, less is kept`() async {
    await withLoops { group in
      let rig = SharingRig(group, memory: 40 << 20)
      rig.gate.open()
      let policy = Shared.policy(cache: 3600)
      let large = Shared.answer(#"{"x":""# + String(repeating: "x", count: 200_000) + "\"}")
      for number in 0..<40 { _ = await rig.ask("{\(number)}", by: policy) { .success(large) }.value }
      #expect(rig.sharing.kept.used > 7 << 20)
      rig.memory.limit = 4 << 20
      rig.sharing.keepWithinLimit()
      #expect(rig.sharing.kept.used <= 1 << 20)
      #expect(await eventually { rig.memory.used == rig.sharing.kept.used })
      rig.memory.limit = 0
      rig.sharing.keepWithinLimit()
      #expect(rig.sharing.isEmpty)
    }
  }

  @Test func `no answer outlives a write, and none is kept that was read while it settles`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      let policy = Shared.policy(cache: 3600, settle: 3600)
      _ = await rig.ask(by: policy).value
      #expect(await rig.ask(by: policy).value == .kept(#"{"code":200}"#, isStale: false))
      await rig.write {
        #expect(await rig.ask(by: policy).value == .answer(#"{"code":200}"#))
      }
      for _ in 0..<3 { #expect(await rig.ask(by: policy).value == .answer(#"{"code":200}"#)) }
      #expect(rig.callCount == 5)
      #expect(rig.sharing.kept.used == 0)
    }
  }

  @Test func `an answer that a write overtook on its way is not kept`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      let policy = Shared.policy(cache: 3600, settle: 0)
      let asked = rig.ask(by: policy)
      #expect(await rig.waits(1))
      await rig.write()
      rig.gate.open()
      #expect(await asked.value == .answer(#"{"code":200}"#))
      #expect(rig.sharing.kept.used == 0)
      #expect(await rig.ask(by: policy).value == .answer(#"{"code":200}"#))
    }
  }

  @Test func `expired answers go by themselves`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      let brief = SharingPolicy(cache: 1_000_000, stale: 0, settle: 0)
      for number in 0..<100 { _ = await rig.ask("{\(number)}", by: brief).value }
      #expect(await eventually { rig.sharing.kept.used == 0 && rig.sharing.isEmpty })
      #expect(rig.memory.used == 0)
      _ = await rig.ask(by: brief).value
      #expect(await eventually { rig.sharing.kept.used == 0 }, "and again")
    }
  }

  @Test func `the bound holds over all stripes, and a new answer finds room among the old ones`() async {
    await withLoops { group in
      let rig = SharingRig(group, memory: 1 << 20)
      rig.gate.open()
      let policy = Shared.policy(cache: 3600)
      let large = Shared.answer(#"{"x":""# + String(repeating: "x", count: 60_000) + "\"}")
      for number in 0..<40 {
        #expect(await rig.ask("{\(number)}", by: policy) { .success(large) }.value == .answer(large.text))
        #expect(rig.sharing.kept.used <= 256 << 10)
        #expect(await rig.ask("{\(number)}", by: policy).value == .kept(large.text, isStale: false))
      }
      #expect(rig.callCount == 40)
    }
  }
}
