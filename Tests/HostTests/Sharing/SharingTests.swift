import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite("Calls that several requests share")
struct SharingTests {
  @Test func `fifty on two loops are one call, and one answer in memory`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let asked = (0..<50).map { rig.ask(on: $0) }
      #expect(await rig.waits(50))
      rig.gate.open()
      for task in asked { #expect(await task.value == .answer(#"{"code":200}"#)) }
      #expect(rig.callCount == 1)
      #expect(rig.sharing.isEmpty)
      #expect(await rig.ask().value == .answer(#"{"code":200}"#))
      #expect(rig.callCount == 2, "nothing was kept")
    }
  }

  @Test func `different requests are different calls`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      rig.gate.open()
      for number in 0..<20 {
        #expect(await rig.ask("{\(number)}", on: number).value == .answer(#"{"code":200}"#))
      }
      #expect(rig.callCount == 20)
      #expect(rig.sharing.isEmpty)
    }
  }

  @Test func `the first caller's leaving ends nothing for the others`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let first = rig.ask()
      #expect(await rig.waits(1))
      let others = (0..<4).map { rig.ask(on: $0) }
      #expect(await rig.waits(5))
      first.cancel()
      #expect(await first.value == .cancelled)
      #expect(await rig.waits(4))
      rig.gate.open()
      for task in others { #expect(await task.value == .answer(#"{"code":200}"#)) }
      #expect(rig.callCount == 1)
      #expect(rig.gate.cancelled == 0)
    }
  }

  @Test func `when all have left the call is given up, and the next one begins anew`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let asked = (0..<6).map { rig.ask(on: $0) }
      #expect(await rig.waits(6))
      for task in asked { task.cancel() }
      for task in asked { #expect(await task.value == .cancelled) }
      #expect(await eventually { rig.gate.cancelled == 1 })
      #expect(await eventually { rig.sharing.isEmpty })
      rig.gate.open()
      #expect(await rig.ask().value == .answer(#"{"code":200}"#))
      #expect(rig.callCount == 2)
    }
  }

  @Test func `who comes right after the only caller has left gets the same call`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      for number in 1...50 {
        let body = "{\(number)}"
        let first = rig.ask(body)
        #expect(await rig.waits(1, for: body))
        // In one turn of the loop, so that no time passes between.
        let second = await onLoop(group.loops[0]) {
          first.cancel()
          return rig.ask(body)
        }
        #expect(await first.value == .cancelled)
        #expect(await rig.waits(1, for: body))
        #expect(rig.callCount == number)
        rig.gate.open()
        #expect(await second.value == .answer(#"{"code":200}"#))
        rig.gate.close()
      }
    }
  }

  @Test func `each waits until his own deadline`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let patient = rig.ask()
      #expect(await rig.waits(1))
      #expect(await rig.ask(on: 1, until: inMilliseconds(20)).value == .timedOut)
      #expect(await rig.waits(1))
      rig.gate.open()
      #expect(await patient.value == .answer(#"{"code":200}"#))
      #expect(rig.callCount == 1)
    }
  }

  @Test func `an error is everybody's, and not repeated for anybody`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let asked = (0..<8).map { number in
        rig.ask(on: number, by: Shared.policy(cache: 1)) { .failure(GatewayError(.upstreamTimeout, "")) }
      }
      #expect(await rig.waits(8))
      rig.gate.open()
      for task in asked { #expect(await task.value == .failed("upstream_timeout")) }
      #expect(rig.callCount == 1)
      #expect(rig.sharing.isEmpty)
    }
  }

  @Test func `nobody who comes after a write gets the answer of a call from before it`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let before = rig.ask { .success(Shared.answer("old")) }
      #expect(await rig.waits(1))
      var during: Task<SharingRig.Outcome, Never>?
      await rig.write {
        during = rig.ask(on: 1) { .success(Shared.answer("meanwhile")) }
        #expect(await eventually { rig.gate.arrived == 2 })
      }
      let after = rig.ask { .success(Shared.answer("new")) }
      #expect(await eventually { rig.gate.arrived == 3 })
      rig.gate.open()
      #expect(await before.value == .answer("old"))
      #expect(await during?.value == .answer("meanwhile"))
      #expect(await after.value == .answer("new"))
      #expect(rig.sharing.isEmpty)
    }
  }

  @Test func `many that come and go at random leave nothing behind`() async {
    await withLoops(4) { group in
      let rig = SharingRig(group)
      var asked: [Task<SharingRig.Outcome, Never>] = []
      for number in 0..<2000 {
        let policy = Shared.policy(cache: number % 3 == 0 ? 60 : 0, settle: 0)
        asked.append(rig.ask("{\(number % 7)}", on: number, by: policy))
        if number % 5 == 0 { asked[Int.random(in: 0...number)].cancel() }
        if number % 100 == 50 { await rig.write() }
        if number == 1500 { rig.gate.open() }
      }
      var answers = 0
      for task in asked {
        switch await task.value {
        case .answer(let text), .kept(let text, false):
          #expect(text == #"{"code":200}"#)
          answers += 1
        case .cancelled: break
        // A call that was given up has ended; nobody is told of it but who had left.
        case let other: Issue.record("\(other)")
        }
      }
      #expect(answers >= 1600)
      rig.sharing.forget(adapter: 1)
      #expect(await eventually { rig.sharing.isEmpty })
      #expect(await eventually { rig.memory.used == 0 })
    }
  }
}
