import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct LoopWaitTests {
  @Test func `LoopWait ends with a value that comes before the wait or during it`() async {
    await withLoop { loop in
      let early = await task(on: loop) {
        let wait = LoopWait<Int>(loop: loop)
        wait.end(.value(1))
        wait.end(.value(2))
        return await wait.wait(until: .distantFuture).text
      }.value
      #expect(early == "1", "the first counts")
      let late = await task(on: loop) {
        let wait = LoopWait<Int>(loop: loop)
        let bound = LoopBound(wait, on: loop)
        loop.post { bound.value.end(.value(3)) }
        return await wait.wait(until: .distantFuture).text
      }.value
      #expect(late == "3")
    }
  }

  @Test func `LoopWait ends at its deadline, and leaves nothing on the loop`() async {
    await withLoop { loop in
      let outcome = await task(on: loop) {
        let end = inMilliseconds(20)
        let outcome = await LoopWait<Int>(loop: loop).wait(until: end).text
        #expect(System.monotonic() >= end.nanoseconds)
        return outcome
      }.value
      #expect(outcome == "timed out")
      #expect(await onLoop(loop) { loop.allObjects.count } == 0)
    }
  }

  @Test func `ended waits do not pile up their deadlines`() async {
    await withLoop { loop in
      let (most, isServed) = await task(on: loop) {
        let lasting = LoopWait<Int>(loop: loop)
        let bound = LoopBound(lasting, on: loop)
        let waiting = task(on: loop) { await bound.value.wait(until: inMilliseconds(60_000)).text }
        var most = 0
        for _ in 0..<20_000 {
          let wait = LoopWait<Int>(loop: loop)
          let ending = LoopBound(wait, on: loop)
          loop.post { ending.value.end(.value(1)) }
          _ = await wait.wait(until: inMilliseconds(60_000))
          most = max(most, loop.timerCount)
        }
        lasting.end(.value(2))
        return (most, await waiting.value == "2")
      }.value
      #expect(most < 4096)
      #expect(isServed)
    }
  }

  @Test func `LoopWait ends when its task is cancelled, before or during the wait, on any thread`() async {
    await withLoops(2) { group in
      let loop = group.loops[0]
      let gate = Gate()
      let before = task(on: loop) {
        await gate.pass(on: loop)
        return await LoopWait<Int>(loop: loop).wait(until: .distantFuture).text
      }
      before.cancel()
      #expect(await before.value == "cancelled")

      for canceller in [group.loops[1], loop] {
        let meanwhile = task(on: loop) { await LoopWait<Int>(loop: loop).wait(until: .distantFuture).text }
        #expect(await eventually { await onLoop(loop) { loop.allObjects.count } == 1 })
        await onLoop(canceller) { meanwhile.cancel() }
        #expect(await meanwhile.value == "cancelled")
      }
      #expect(await onLoop(loop) { loop.allObjects.count } == 0)
    }
  }

  @Test func `value, deadline and cancellation at the same time give one outcome`() async {
    await withLoops(2) { group in
      let loop = group.loops[0]
      var tasks: [Task<String, Never>] = []
      for number in 0..<300 {
        let waits = Collected<LoopBound<LoopWait<Int>>>()
        let waiting = task(on: loop) {
          let wait = LoopWait<Int>(loop: loop)
          waits.add(LoopBound(wait, on: loop))
          return await wait.wait(until: inMilliseconds(Int64(number % 3))).text
        }
        tasks.append(waiting)
        group.loops[1].post {
          if number % 2 == 0 { waiting.cancel() }
          for wait in waits.all { wait.loop.post { wait.value.end(.value(number)) } }
          if number % 2 == 1 { waiting.cancel() }
        }
      }
      for waiting in tasks { _ = await waiting.value }
      #expect(await onLoop(loop) { loop.allObjects.count } == 0)
    }
  }
}
