import AdapterAPI
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct EventLoopTests {
  @Test func `work posted from many threads runs, in order for each thread`() async {
    await withLoop { loop in
      let (threads, each) = (6, 2_000)
      let done = Collected<(thread: Int, number: Int)>()
      for thread in 0..<threads {
        Thread.detachNewThread {
          for number in 0..<each {
            loop.post {
              #expect(loop.isCurrent)
              done.add((thread, number))
            }
          }
        }
      }
      #expect(await eventually { done.count == threads * each })
      for thread in 0..<threads {
        #expect(done.all.filter { $0.thread == thread }.map(\.number) == Array(0..<each))
      }
    }
  }

  @Test func `posted work wakes a sleeping loop each time`() async {
    await withLoop { loop in
      // The loop is about to wait in the kernel, or waits there, at each of these.
      for number in 0..<3_000 { #expect(await onLoop(loop) { number } == number) }
    }
  }

  @Test func `tasks that change loops all end`() async {
    await withLoops(4) { group in
      let hops = Collected<Int>()
      await withTaskGroup(of: Void.self) { tasks in
        for start in 0..<32 {
          tasks.addTask {
            for hop in 0..<100 {
              let loop = group.loops[(start + hop) % 4]
              await withTaskExecutorPreference(loop) {
                #expect(loop.isCurrent && EventLoop.current === loop)
                hops.add(hop)
              }
            }
          }
        }
      }
      #expect(hops.count == 3_200)
    }
  }

  @Test func `tasks that keep resuming each other leave the loop its timers and its inbox`() async {
    await withLoop { loop in
      let over = Collected<Bool>()
      let spinning = task(on: loop) {
        var turns = 0
        while over.count == 0 {
          await Task.yield()
          turns += 1
        }
        return turns
      }
      let slept = task(on: loop) {
        await LoopWait<Never>(loop: loop).wait(until: inMilliseconds(10))
      }
      if case .timedOut = await slept.value {} else { Issue.record("the timer did not come") }
      #expect(await onLoop(loop) { true })
      over.add(true)
      #expect(await spinning.value > 0)
    }
  }

  @Test func `execute runs at once on the loop, post in a later turn`() async {
    await withLoop { loop in
      let order = Collected<String>()
      await onLoop(loop) {
        loop.post { order.add("posted") }
        loop.execute { order.add("executed") }
        order.add("after")
      }
      #expect(await eventually { order.count == 3 })
      #expect(order.all == ["executed", "after", "posted"])
    }
  }

  @Test func `stop ends a sleeping loop and a busy one`() {
    for _ in 0..<50 {
      let loop = EventLoop(index: 0)
      loop.start()
      #expect(!loop.isCurrent)
      #expect(EventLoop.current == nil)
      loop.stop()
    }
    for _ in 0..<50 {
      let loop = EventLoop(index: 0)
      loop.start()
      @Sendable func again() { loop.post { again() } }
      loop.post { again() }
      loop.stop()
    }
  }

  @Test func `a stopped loop closes its descriptors`() async {
    let before = openDescriptors()
    for _ in 0..<200 {
      let loop = EventLoop(index: 0)
      loop.start()
      loop.stop()
    }
    // Other tests open and close descriptors meanwhile; these loops would hold four hundred.
    #expect(await eventually { openDescriptors() < before + 200 })
  }

  @Test func `LoopClock sleeps on the task's loop, elsewhere on its home loop, and throws when cancelled`()
    async throws
  {
    try await withLoops(2) { group in
      let clock = LoopClock(home: group.loops[0])
      let end = clock.now() + .milliseconds(15)
      try await clock.sleep(until: end)
      #expect(clock.now() >= end)
      let onLoop = task(on: group.loops[1]) {
        let end = clock.now() + .milliseconds(15)
        do { try await clock.sleep(until: end) } catch { return false }
        return clock.now() >= end && group.loops[1].isCurrent
      }
      #expect(await onLoop.value)
      let long = Task { try await clock.sleep(until: .distantFuture) }
      long.cancel()
      await #expect(throws: CancellationError.self) { try await long.value }
    }
  }

  @Test func `ThreadSignal, signalled before the wait, ends it; without a signal the limit does`() async {
    let signal = ThreadSignal()
    let waited = await elapsed { signal.wait(atMost: .milliseconds(20)) }
    #expect(waited >= 19)
    signal.signal()
    signal.wait()
    signal.wait(atMost: .seconds(60))
  }
}
