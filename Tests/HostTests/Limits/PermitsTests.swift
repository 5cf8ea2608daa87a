import AdapterAPI
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct PermitsTests {
  @Test func `permits are granted up to the limit`() {
    let permits = Permits(limit: 3)
    for priority in Priority.allCases { #expect(permits.tryAcquire(priority)) }
    for priority in Priority.allCases { #expect(!permits.tryAcquire(priority)) }
    #expect(permits.inUse == 3)
    permits.release(.history)
    #expect(permits.tryAcquire(.history))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8, 15, 16, 17, 32, 100_000])
  func `history leaves a quarter of the permits, and reads leave one of sixteen or more to writes`(limit: Int) {
    let permits = Permits(limit: limit, hasReserve: true)
    func most(_ priority: Priority) -> Int {
      var taken = 0
      while permits.tryAcquire(priority) { taken += 1 }
      return taken
    }
    let history = most(.history)
    #expect(history == (limit < 4 ? limit : limit - limit / 4))
    let values = most(.values)
    #expect(history + values == (limit < 16 ? limit : limit - 1))
    #expect(most(.writes) == (limit < 16 ? 0 : 1))
    for _ in 0..<history { permits.release(.history) }
    #expect(most(.values) == history)
    #expect(most(.history) == 0)
  }

  @Test func `waiters of one priority are granted in order of arrival over all loops`() async {
    await PermitsRig.busy(loops: 3) { rig in
      let granted = Collected<Int>()
      var waiting: [Task<Void, Never>] = []
      for number in 0..<200 {
        waiting.append(
          rig.start(.values, on: number % 3) { grant in
            #expect(grant == .granted)
            granted.add(number)
            rig.permits.release(.values)
          })
        #expect(await rig.waits(number + 1))
      }
      #expect(!rig.permits.tryAcquire(.values))
      rig.permits.release(.values)
      for task in waiting { await task.value }
      #expect(granted.all == Array(0..<200))
      #expect(rig.isEmpty)
    }
  }

  @Test func `a permit goes to the highest priority over all loops, not to the first arrival`() async {
    await PermitsRig.busy(loops: 2) { rig in
      let granted = Collected<Priority>()
      var waiting: [Task<Void, Never>] = []
      for number in 0..<60 {
        let priority = Priority.allCases[2 - number % 3]
        waiting.append(
          rig.start(priority, on: number % 2) { grant in
            #expect(grant == .granted)
            granted.add(priority)
            rig.permits.release(priority)
          })
        #expect(await rig.waits(number + 1))
      }
      rig.permits.release(.values)
      for task in waiting { await task.value }
      #expect(granted.all == granted.all.sorted())
      #expect(granted.count == 60)
    }
  }

  @Test func `tryAcquire fails while a waiter of the same or a higher priority waits`() async {
    await withLoops(2) { group in
      // History may hold three of the four.
      let rig = PermitsRig(group, limit: 4, hasReserve: true)
      for _ in 0..<3 { #expect(rig.permits.tryAcquire(.history)) }
      let waiting = await rig.waiter(.history, number: 1)
      #expect(!rig.permits.tryAcquire(.history))
      #expect(rig.permits.tryAcquire(.values), "one is free, but not for history")
      let value = await rig.waiter(.values, on: 1, number: 2)
      #expect(!rig.permits.tryAcquire(.values))
      #expect(!rig.permits.tryAcquire(.writes))
      rig.permits.release(.values)
      #expect(await value.value == .granted)
      rig.permits.release(.history)
      #expect(await waiting.value == .granted)
    }
  }

  @Test func `a full queue refuses at once, over all loops`() async {
    await PermitsRig.busy(loops: 2) { rig in
      let first = await rig.waiter(.values, on: 0, bound: 2, number: 1)
      let second = await rig.waiter(.values, on: 1, bound: 2, number: 2)
      #expect(await rig.acquire(.values, on: 0, bound: 2).value == .full)
      #expect(await rig.acquire(.history, on: 1, bound: 2).value == .full)
      #expect(await rig.acquire(.writes, on: 1, bound: 0).value == .full)
      rig.permits.release(.values)
      #expect(await first.value == .granted)
      rig.permits.release(.values)
      #expect(await second.value == .granted)
      #expect(await rig.waits(0))
    }
  }

  @Test func `in a full queue, the youngest waiter of the lowest priority is evicted for a higher priority`() async {
    await PermitsRig.busy(loops: 2) { rig in
      var histories: [Task<PermitGrant, Never>] = []
      for number in 0..<3 {
        histories.append(await rig.waiter(.history, on: number % 2, bound: 3, number: number + 1))
      }
      let write = rig.acquire(.writes, on: 0, bound: 3)
      #expect(await histories[2].value == .full)
      let value = rig.acquire(.values, on: 1, bound: 3)
      #expect(await histories[1].value == .full)
      #expect(rig.permits.waiters == 3)
      for (waiter, priority) in [(write, Priority.values), (value, .writes), (histories[0], .values)] {
        rig.permits.release(priority)
        #expect(await waiter.value == .granted)
      }
      rig.permits.release(.history)
      #expect(rig.isEmpty)
    }
  }

  @Test func `a waiter that gave up takes no permit, even one released later`() async {
    await PermitsRig.busy { rig in
      #expect(await rig.acquire(.values, within: 5).value == .timedOut)
      let cancelled = await rig.waiter(.values, number: 1)
      cancelled.cancel()
      #expect(await cancelled.value == .cancelled)
      #expect(rig.permits.waiters == 0, "it left the queue at once")
      rig.permits.release(.values)
      #expect(rig.permits.tryAcquire(.values), "the permit is free")
      #expect(await rig.acquire(.values, within: 5).value == .timedOut)
      rig.permits.release(.values)
      #expect(await rig.acquire(.values, within: 5_000).value == .granted)
    }
  }

  @Test func `a waiter behind one that gave up is granted`() async {
    await PermitsRig.busy { rig in
      let first = await rig.waiter(.writes, number: 1)
      let second = await rig.waiter(.values, number: 2)
      first.cancel()
      #expect(await first.value == .cancelled)
      rig.permits.release(.values)
      #expect(await second.value == .granted)
    }
  }

  @Test func `a thousand waiters that give up in the same turn are skipped`() async {
    await PermitsRig.busy { rig in
      let waiting = (0..<1_000).map { _ in rig.acquire(.values) }
      #expect(await rig.waits(1_000))
      await onLoop(rig.group.loops[0]) {
        for waiter in waiting { waiter.cancel() }
        rig.permits.release(.values)
      }
      for waiter in waiting { #expect(await waiter.value == .cancelled) }
      #expect(rig.isEmpty)
    }
  }

  @Test func `a waiter that is granted and cancelled at the same time keeps its permit or returns it`() async {
    await withLoops(2) { group in
      let rig = PermitsRig(group, limit: 1)
      for number in 0..<300 {
        #expect(rig.permits.tryAcquire(.values))
        let waiter = await rig.waiter(.values, number: 1)
        if number % 3 == 0 {
          await onLoop(group.loops[number % 2]) {
            rig.permits.release(.values)
            waiter.cancel()
          }
        } else {
          group.loops[1].post { waiter.cancel() }
          await onLoop(group.loops[0]) { rig.permits.release(.values) }
        }
        if await waiter.value == .granted { rig.permits.release(.values) }
        #expect(await eventually { rig.isEmpty }, "round \(number)")
      }
    }
  }

  @Test func `four loops that take, wait, give up and are cancelled never exceed a limit and lose no permit`() async {
    let limit = 8
    await withLoops(4) { group in
      let rig = PermitsRig(group, limit: limit, hasReserve: true)
      let tally = PermitsTally()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<64 {
          tasks.addTask {
            var random = SeededGenerator(seed: worker + 1)
            for _ in 0..<60 {
              let priority = Priority.allCases.randomElement(using: &random)!
              let pauses = Int.random(in: 0..<3, using: &random)
              let call = rig.start(
                priority, on: Int.random(in: 0..<4, using: &random), within: Int64.random(in: 0..<6, using: &random),
                bound: 40
              ) { grant in
                guard grant == .granted else { return tally.refused() }
                tally.took(priority)
                for _ in 0..<pauses { await Task.yield() }
                tally.released(priority)
                rig.permits.release(priority)
              }
              if Int.random(in: 0..<4, using: &random) == 0 { call.cancel() }
              await call.value
            }
          }
        }
      }
      let end = tally.counts
      #expect(end.most <= limit)
      #expect(end.mostHistory <= 6)
      #expect(end.granted + end.refused == 64 * 60)
      #expect(end.granted > 0)
      #expect(await eventually { rig.isEmpty })
      for number in 0..<10 { #expect(rig.permits.tryAcquire(.writes) == (number < limit)) }
    }
  }

  @Test func `every waiter without a deadline is granted`() async {
    await withLoops(4) { group in
      let rig = PermitsRig(group, limit: 4, hasReserve: true)
      let granted = Collected<Int>()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<100 {
          tasks.addTask {
            for round in 0..<40 {
              let priority = Priority.allCases[(worker + round) % 3]
              await rig.start(priority, on: (worker + round) % 4) { grant in
                guard grant == .granted else { return }
                granted.add(worker)
                rig.permits.release(priority)
              }.value
            }
          }
        }
      }
      #expect(granted.count == 4_000)
      #expect(rig.isEmpty)
    }
  }
}

/// A limit and callers on several loops.
private struct PermitsRig: Sendable {
  let permits: Permits
  let group: EventLoopGroup

  init(_ group: EventLoopGroup, limit: Int, hasReserve: Bool = false) {
    permits = Permits(limit: limit, hasReserve: hasReserve)
    self.group = group
  }

  var isEmpty: Bool { permits.inUse == 0 && permits.waiters == 0 }
  func waits(_ count: Int) async -> Bool { await eventually { permits.waiters == count } }

  /// Runs the test with one permit, which is taken.
  static func busy(loops: Int = 1, _ test: (PermitsRig) async -> Void) async {
    await withLoops(loops) { group in
      let rig = PermitsRig(group, limit: 1)
      #expect(rig.permits.tryAcquire(.values))
      await test(rig)
    }
  }

  /// Takes a permit at once where one is free, as a client does, else waits for it.
  func start(
    _ priority: Priority, on index: Int = 0, within milliseconds: Int64 = 60_000, bound: Int = .max,
    _ body: @escaping @Sendable (PermitGrant) async -> Void
  ) -> Task<Void, Never> {
    let loop = group.loops[index]
    return task(on: loop) {
      if permits.tryAcquire(priority) { return await body(.granted) }
      await body(
        await permits.acquire(
          priority, on: loop, until: inMilliseconds(milliseconds), bound: bound, whenWaiting: {}))
    }
  }

  func acquire(
    _ priority: Priority, on index: Int = 0, within milliseconds: Int64 = 60_000, bound: Int = .max
  ) -> Task<PermitGrant, Never> {
    let loop = group.loops[index]
    return task(on: loop) {
      await permits.acquire(
        priority, on: loop, until: inMilliseconds(milliseconds), bound: bound, whenWaiting: {})
    }
  }

  /// Returns a caller that waits, when there are that many waiters.
  func waiter(
    _ priority: Priority, on index: Int = 0, bound: Int = .max, number: Int,
    at location: SourceLocation = #_sourceLocation
  ) async -> Task<PermitGrant, Never> {
    let caller = acquire(priority, on: index, bound: bound)
    #expect(await waits(number), sourceLocation: location)
    return caller
  }
}

/// The grants of the callers, and how many held a permit at the same time.
private final class PermitsTally: Sendable {
  struct Counts {
    var held = 0
    var history = 0
    var most = 0
    var mostHistory = 0
    var granted = 0
    var refused = 0
  }

  private let state = Mutex(Counts())
  var counts: Counts { state.withLock { $0 } }
  func refused() { state.withLock { $0.refused += 1 } }

  func took(_ priority: Priority) {
    state.withLock { state in
      state.held += 1
      state.granted += 1
      state.most = max(state.most, state.held)
      if priority == .history { state.history += 1 }
      state.mostHistory = max(state.mostHistory, state.history)
    }
  }

  func released(_ priority: Priority) {
    state.withLock { state in
      state.held -= 1
      if priority == .history { state.history -= 1 }
    }
  }
}
