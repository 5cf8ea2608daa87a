import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct LoopWaitTests {
  private enum Seen: Equatable, Sendable { case value(Int), timedOut, cancelled }

  private static func seen(_ outcome: LoopWait<Int>.Outcome) -> Seen {
    switch outcome {
    case .value(let value): .value(value)
    case .timedOut: .timedOut
    case .cancelled: .cancelled
    }
  }

  @Test func `LoopWait ends with a value that comes before the wait or during it`() async {
    await withLoops { group in
      let loop = group.loops[0]
      let early = await task(on: loop) {
        let wait = LoopWait<Int>(loop: loop)
        wait.end(.value(1))
        wait.end(.value(2))
        return LoopWaitTests.seen(await wait.wait(until: .distantFuture))
      }.value
      #expect(early == .value(1), "the first counts")
      let late = await task(on: loop) {
        let wait = LoopWait<Int>(loop: loop)
        let bound = LoopBound(wait, on: loop)
        loop.post { bound.value.end(.value(3)) }
        return LoopWaitTests.seen(await wait.wait(until: .distantFuture))
      }.value
      #expect(late == .value(3))
    }
  }

  @Test func `LoopWait ends at its deadline, and leaves nothing on the loop`() async {
    await withLoops { group in
      let loop = group.loops[0]
      let outcome = await task(on: loop) {
        let end = inMilliseconds(20)
        let outcome = LoopWaitTests.seen(await LoopWait<Int>(loop: loop).wait(until: end))
        #expect(System.monotonic() >= end.nanoseconds)
        return outcome
      }.value
      #expect(outcome == .timedOut)
      #expect(await onLoop(loop) { loop.allObjects.count } == 0)
    }
  }

  @Test func `ended waits do not pile up their deadlines`() async {
    await withLoops { group in
      let loop = group.loops[0]
      let (most, isServed) = await task(on: loop) {
        let lasting = LoopWait<Int>(loop: loop)
        let bound = LoopBound(lasting, on: loop)
        let waiting = task(on: loop) { LoopWaitTests.seen(await bound.value.wait(until: inMilliseconds(60_000))) }
        var most = 0
        for _ in 0..<20_000 {
          let wait = LoopWait<Int>(loop: loop)
          let ending = LoopBound(wait, on: loop)
          loop.post { ending.value.end(.value(1)) }
          _ = await wait.wait(until: inMilliseconds(60_000))
          most = max(most, loop.timerCount)
        }
        lasting.end(.value(2))
        return (most, await waiting.value == .value(2))
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
        return LoopWaitTests.seen(await LoopWait<Int>(loop: loop).wait(until: .distantFuture))
      }
      before.cancel()
      #expect(await before.value == .cancelled)

      let meanwhile = task(on: loop) {
        LoopWaitTests.seen(await LoopWait<Int>(loop: loop).wait(until: .distantFuture))
      }
      #expect(await eventually { await onLoop(loop) { loop.allObjects.count } == 1 })
      await onLoop(group.loops[1]) { meanwhile.cancel() }
      #expect(await meanwhile.value == .cancelled)

      let here = task(on: loop) {
        LoopWaitTests.seen(await LoopWait<Int>(loop: loop).wait(until: .distantFuture))
      }
      #expect(await eventually { await onLoop(loop) { loop.allObjects.count } == 1 })
      await onLoop(loop) { here.cancel() }
      #expect(await here.value == .cancelled)
      #expect(await onLoop(loop) { loop.allObjects.count } == 0)
    }
  }

  @Test func `value, deadline and cancellation at the same time give one outcome`() async {
    await withLoops(2) { group in
      let loop = group.loops[0]
      var tasks: [Task<Seen, Never>] = []
      for number in 0..<300 {
        let waits = Collected<LoopBound<LoopWait<Int>>>()
        let waiting = task(on: loop) {
          let wait = LoopWait<Int>(loop: loop)
          waits.add(LoopBound(wait, on: loop))
          return LoopWaitTests.seen(await wait.wait(until: inMilliseconds(Int64(number % 3))))
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
