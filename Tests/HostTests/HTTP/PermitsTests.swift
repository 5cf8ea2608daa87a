import AdapterAPI
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct PermitsTests {
  /// The queues of one `Permits`, one on each loop, linked as a client's pools are.
  private struct Queues: Sendable {
    let permits: Permits
    let queues: [LoopBound<PermitQueue>]

    init(_ group: EventLoopGroup, limit: Int) async {
      let permits = Permits(limit: limit)
      self.permits = permits
      let queues = group.loops.map { LoopBound(PermitQueue(permits, loop: $0), on: $0) }
      self.queues = queues
      for queue in queues {
        await onLoop(queue.loop) {
          let others = queues.filter { $0.loop !== queue.loop }
          queue.value.wakeOthers = { for other in others { other.loop.post { other.value.serve(andOthers: false) } } }
        }
      }
    }

    func acquire(_ index: Int = 0, within milliseconds: Int64 = 60_000, bound: Int = .max) -> Task<
      PermitQueue.Grant, Never
    > {
      let queue = queues[index]
      return task(on: queue.loop) { await queue.value.acquire(until: inMilliseconds(milliseconds), bound: bound) }
    }

    func tryAcquire(_ index: Int = 0) async -> Bool {
      let queue = queues[index]
      return await onLoop(queue.loop) { queue.value.tryAcquire() }
    }

    func release(_ index: Int = 0) async {
      let queue = queues[index]
      await onLoop(queue.loop) { queue.value.release() }
    }

    func waits(_ count: Int) async -> Bool { await eventually { permits.waiters == count } }
  }

  private func withQueues(_ loops: Int, limit: Int, _ test: (EventLoopGroup, Queues) async -> Void) async {
    await withLoops(loops) { group in
      let queues = await Queues(group, limit: limit)
      await test(group, queues)
      // They hold each other.
      for queue in queues.queues { await onLoop(queue.loop) { queue.value.wakeOthers = {} } }
    }
  }

  /// What callers got, and how many had a place at the same time.
  private final class Tally: Sendable {
    private let state = Mutex((held: 0, most: 0, granted: 0, other: 0))
    var counts: (held: Int, most: Int, granted: Int, other: Int) { state.withLock { $0 } }
    func refused() { state.withLock { $0.other += 1 } }
    func gaveBack() { state.withLock { $0.held -= 1 } }
    func took() {
      state.withLock { state in
        state.held += 1
        state.most = max(state.most, state.held)
        state.granted += 1
      }
    }
  }

  @Test func `there are as many places as the limit says`() async {
    await withQueues(1, limit: 3) { group, queues in
      for _ in 0..<3 { #expect(await queues.tryAcquire()) }
      #expect(await !queues.tryAcquire())
      #expect(queues.permits.inUse == 3)
      await queues.release()
      #expect(await queues.tryAcquire())
    }
  }

  @Test func `who waits is served in order of arrival`() async {
    await withQueues(1, limit: 1) { group, queues in
      #expect(await queues.tryAcquire())
      let served = Collected<Int>()
      let queue = queues.queues[0]
      var waiting: [Task<Void, Never>] = []
      for number in 0..<200 {
        waiting.append(
          task(on: group.loops[0]) {
            #expect(await queue.value.acquire(until: .distantFuture, bound: .max) == .granted)
            served.add(number)
            queue.value.release()
          })
        #expect(await queues.waits(number + 1))
      }
      #expect(await !queues.tryAcquire())
      await queues.release()
      for task in waiting { await task.value }
      #expect(served.all == Array(0..<200))
      #expect(queues.permits.inUse == 0 && queues.permits.waiters == 0)
    }
  }

  @Test func `a queue that is full refuses at once, over all loops`() async {
    await withQueues(2, limit: 1) { group, queues in
      #expect(await queues.tryAcquire())
      let first = queues.acquire(0, bound: 2)
      let second = queues.acquire(1, bound: 2)
      #expect(await queues.waits(2))
      #expect(await queues.acquire(0, bound: 2).value == .full)
      #expect(await queues.acquire(1, bound: 0).value == .full)
      await queues.release()
      #expect(await first.value == .granted, "a loop's own come first")
      await queues.release()
      #expect(await second.value == .granted)
      #expect(await queues.waits(0))
    }
  }

  @Test func `a place that one loop gives back reaches the waiters of another`() async {
    await withQueues(2, limit: 1) { group, queues in
      #expect(await queues.tryAcquire(0))
      let waiter = queues.acquire(1)
      #expect(await queues.waits(1))
      await queues.release(0)
      #expect(await waiter.value == .granted)
      #expect(queues.permits.inUse == 1)
    }
  }

  @Test func `waiters that gave up hold up nobody, not even when the places came back after they had gone`() async {
    await withQueues(1, limit: 1) { group, queues in
      #expect(await queues.tryAcquire())
      #expect(await queues.acquire(within: 5).value == .timedOut)
      let cancelled = queues.acquire()
      #expect(await queues.waits(1))
      cancelled.cancel()
      #expect(await cancelled.value == .cancelled)
      #expect(await queues.waits(0))
      await queues.release()
      #expect(await queues.tryAcquire(), "the place is free")
      #expect(await queues.acquire(within: 5).value == .timedOut)
      await queues.release()
      #expect(await queues.acquire(within: 5_000).value == .granted)
    }
  }

  @Test func `a waiter behind one that gave up is served`() async {
    await withQueues(1, limit: 1) { group, queues in
      #expect(await queues.tryAcquire())
      let first = queues.acquire()
      #expect(await queues.waits(1))
      let second = queues.acquire()
      #expect(await queues.waits(2))
      first.cancel()
      #expect(await first.value == .cancelled)
      await queues.release()
      #expect(await second.value == .granted)
    }
  }

  @Test func `a waiter that is served and cancelled at the same moment has its place, or leaves it`() async {
    await withQueues(2, limit: 1) { group, queues in
      for number in 0..<300 {
        #expect(await queues.tryAcquire())
        let waiter = queues.acquire()
        #expect(await queues.waits(1))
        let queue = queues.queues[0]
        if number % 3 == 0 {
          await onLoop(group.loops[0]) {
            queue.value.release()
            waiter.cancel()
          }
        } else {
          group.loops[1].post { waiter.cancel() }
          await queues.release()
        }
        if await waiter.value == .granted { await queues.release() }
        #expect(queues.permits.inUse == 0 && queues.permits.waiters == 0, "round \(number)")
      }
    }
  }

  @Test func `four loops that take, wait, give up and are cancelled never exceed the limit and lose no place`() async {
    let limit = 3
    await withQueues(4, limit: limit) { group, queues in
      let tally = Tally()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<64 {
          tasks.addTask {
            var random = Seeded(state: UInt64(worker + 1))
            for _ in 0..<60 {
              let index = Int.random(in: 0..<4, using: &random)
              let (queue, loop) = (queues.queues[index], group.loops[index])
              let patience = Int64.random(in: 0..<6, using: &random)
              let pauses = Int.random(in: 0..<3, using: &random)
              let call = task(on: loop) {
                if !queue.value.tryAcquire() {
                  guard await queue.value.acquire(until: inMilliseconds(patience), bound: 40) == .granted else {
                    tally.refused()
                    return
                  }
                }
                tally.took()
                for _ in 0..<pauses { await Task.yield() }
                tally.gaveBack()
                queue.value.release()
              }
              if Int.random(in: 0..<4, using: &random) == 0 { call.cancel() }
              await call.value
            }
          }
        }
      }
      let end = tally.counts
      #expect(end.most <= limit)
      #expect(end.granted + end.other == 64 * 60)
      #expect(end.granted > 0)
      #expect(queues.permits.inUse == 0 && queues.permits.waiters == 0)
      for index in 0..<4 { #expect(await queues.tryAcquire(index) == (index < limit)) }
    }
  }

  @Test func `nobody waits in vain: with patience, everybody is served`() async {
    await withQueues(4, limit: 2) { group, queues in
      let granted = Collected<Int>()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<100 {
          tasks.addTask {
            for round in 0..<40 {
              let index = (worker + round) % 4
              let queue = queues.queues[index]
              await task(on: group.loops[index]) {
                let end = inMilliseconds(60_000)
                guard await queue.value.acquire(until: end, bound: .max) == .granted else { return }
                granted.add(worker)
                queue.value.release()
              }.value
            }
          }
        }
      }
      #expect(granted.count == 4_000)
      #expect(queues.permits.inUse == 0)
    }
  }
}
