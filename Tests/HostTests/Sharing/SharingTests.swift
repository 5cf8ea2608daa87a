import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.loops(2)) struct SharingTests {
  private let rig = SharingRig()
  @Test func `fifty identical requests on two loops are one call`() async {
    let asked = (0..<50).map { rig.ask(on: $0) }
    #expect(await rig.waits(50))
    rig.gate.open()
    for task in asked { #expect(await task.value == .response(#"{"code":200}"#)) }
    #expect(rig.callCount == 1)
    #expect(rig.sharing.isEmpty)
    #expect(await rig.ask().value == .response(#"{"code":200}"#))
    #expect(rig.callCount == 2, "the response is not cached")
  }

  @Test func `a leader gets its own call's outcome, like the waiters`() async {
    let leader = rig.ask(leads: true)
    #expect(await rig.waits(1))
    let waiters = (0..<3).map { rig.ask(on: $0, leads: true) }
    #expect(await rig.waits(4))
    rig.gate.open()
    for task in [leader] + waiters { #expect(await task.value == .response(#"{"code":200}"#)) }
    #expect(rig.callCount == 1 && rig.sharing.isEmpty)
  }

  @Test func `different requests are different calls`() async {
    rig.gate.open()
    for number in 0..<20 {
      #expect(await rig.ask("{\(number)}", on: number).value == .response(#"{"code":200}"#))
    }
    #expect(rig.callCount == 20)
    #expect(rig.sharing.isEmpty)
  }

  @Test func `the first request is cancelled, the call continues for the rest`() async {
    let first = rig.ask()
    #expect(await rig.waits(1))
    let later = (0..<4).map { rig.ask(on: $0) }
    #expect(await rig.waits(5))
    first.cancel()
    #expect(await first.value == .cancelled)
    #expect(await rig.waits(4))
    rig.gate.open()
    for task in later { #expect(await task.value == .response(#"{"code":200}"#)) }
    #expect(rig.callCount == 1)
    #expect(rig.gate.cancelled == 0)
  }

  @Test func `all requests are cancelled, the call is cancelled, and the next request begins a new one`() async {
    let asked = (0..<6).map { rig.ask(on: $0) }
    #expect(await rig.waits(6))
    for task in asked { task.cancel() }
    for task in asked { #expect(await task.value == .cancelled) }
    #expect(await eventually { rig.gate.cancelled == 1 })
    #expect(await eventually { rig.sharing.isEmpty })
    rig.gate.open()
    #expect(await rig.ask().value == .response(#"{"code":200}"#))
    #expect(rig.callCount == 2)
  }

  @Test func `a request right after the only one was cancelled joins the same call`() async {
    for number in 1...50 {
      let body = "{\(number)}"
      let first = rig.ask(body)
      #expect(await rig.waits(1, for: body))
      // In one turn of the loop, so that no time passes between.
      let second = await onLoop(rig.group.loops[0]) {
        first.cancel()
        return rig.ask(body)
      }
      #expect(await first.value == .cancelled)
      #expect(await rig.waits(1, for: body))
      #expect(rig.callCount == number)
      rig.gate.open()
      #expect(await second.value == .response(#"{"code":200}"#))
      rig.gate.close()
    }
  }

  @Test func `each request waits until its own deadline`() async {
    let long = rig.ask()
    #expect(await rig.waits(1))
    #expect(await rig.ask(on: 1, until: inMilliseconds(20)).value == .timedOut)
    #expect(await rig.waits(1))
    rig.gate.open()
    #expect(await long.value == .response(#"{"code":200}"#))
    #expect(rig.callCount == 1)
  }

  @Test func `an error is the outcome of every request, without further calls`() async {
    let asked = (0..<8).map { number in
      rig.ask(on: number, by: Shared.policy(cache: 1)) { .failure(GatewayError(.upstreamTimeout, "")) }
    }
    #expect(await rig.waits(8))
    rig.gate.open()
    for task in asked { #expect(await task.value == .failed("upstream_timeout")) }
    #expect(rig.callCount == 1)
    #expect(rig.sharing.isEmpty)
  }

  @Test func `a request after a write does not join a call from before it`() async {
    let before = rig.ask { .success(Shared.response("old")) }
    #expect(await rig.waits(1))
    var during: Task<SharingRig.Outcome, Never>?
    await rig.write {
      during = rig.ask(on: 1) { .success(Shared.response("during")) }
      #expect(await eventually { rig.gate.arrived == 2 })
    }
    let after = rig.ask { .success(Shared.response("new")) }
    #expect(await eventually { rig.gate.arrived == 3 })
    rig.gate.open()
    #expect(await before.value == .response("old"))
    #expect(await during?.value == .response("during"))
    #expect(await after.value == .response("new"))
    #expect(rig.sharing.isEmpty)
  }

  @Test(.loops(4)) func `two thousand requests, cancelled at random, leave nothing behind`() async {
    var asked: [Task<SharingRig.Outcome, Never>] = []
    for number in 0..<2000 {
      let policy = Shared.policy(cache: number % 3 == 0 ? 60 : 0, settle: 0)
      asked.append(rig.ask("{\(number % 7)}", on: number, by: policy))
      if number % 5 == 0 { asked[Int.random(in: 0...number)].cancel() }
      if number % 100 == 50 { await rig.write() }
      if number == 1500 { rig.gate.open() }
    }
    var responses = 0
    for task in asked {
      switch await task.value {
      case .response(let text), .cached(let text, false):
        #expect(text == #"{"code":200}"#)
        responses += 1
      case .cancelled: break
      case let other: Issue.record("\(other)")
      }
    }
    #expect(responses >= 1600)
    rig.sharing.forget(adapter: 1)
    #expect(await eventually { rig.sharing.isEmpty })
    #expect(await eventually { rig.memory.used == 0 })
  }
}
