import AdapterAPI
import Synchronization

/// A number of places shared by all loops: calls in flight to one upstream, or connections to it.
///
/// A free place is taken with one atomic step. Who finds none waits in its own loop's queue (`PermitQueue`); who gives a place
/// back serves its own loop's queue first and then wakes the others while anybody waits.
final class Permits: Sendable {
  let limit: Int
  private let used = Atomic<Int>(0)
  private let waiting = Atomic<Int>(0)

  init(limit: Int) { self.limit = limit }

  var inUse: Int { used.load(ordering: .relaxed) }
  /// How many wait, over all loops.
  var waiters: Int { waiting.load(ordering: .sequentiallyConsistent) }

  func tryAcquire() -> Bool {
    // Sequentially consistent: this look must not come before the step of `enter` that precedes it.
    var current = used.load(ordering: .sequentiallyConsistent)
    while current < limit {
      let (exchanged, original) = used.weakCompareExchange(
        expected: current, desired: current + 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      current = original
    }
    return false
  }

  /// Gives a place back. Afterwards somebody has to look for waiters (`PermitQueue.release`).
  fileprivate func giveBack() { used.subtract(1, ordering: .sequentiallyConsistent) }

  /// Takes a place in the queues, unless `bound` are taken.
  fileprivate func enter(bound: Int) -> Bool {
    var current = waiting.load(ordering: .relaxed)
    while current < bound {
      let (exchanged, original) = waiting.weakCompareExchange(
        expected: current, desired: current + 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      current = original
    }
    return false
  }

  fileprivate func leave() { waiting.subtract(1, ordering: .sequentiallyConsistent) }
}

/// One loop's queue for the places of a `Permits`. Touched by its loop's thread only.
final class PermitQueue {
  enum Grant { case granted, full, timedOut, cancelled }

  private let permits: Permits
  private let loop: EventLoop
  /// In order of arrival; the first `head` are served already.
  private var waiters: [LoopWait<Void>] = []
  private var head = 0
  /// Wakes the queues of the other loops; set once when the queues of all loops are made.
  var wakeOthers: () -> Void = {}

  init(_ permits: Permits, loop: EventLoop) {
    self.permits = permits
    self.loop = loop
  }

  private var isEmpty: Bool { head == waiters.count }

  /// Somebody waits for a place, on any loop.
  var hasWaiters: Bool { permits.waiters > 0 }

  /// A place at once, if one is free and nobody waits for it here.
  func tryAcquire() -> Bool {
    dropEnded()
    return isEmpty && permits.tryAcquire()
  }

  /// Waits for a place until the deadline, with at most `bound` waiting over all loops. `whenWaiting` is called once it is known
  /// that there is none now, and whoever gives one back can see that somebody waits.
  func acquire(until deadline: Instant, bound: Int, whenWaiting: () -> Void = {}) async -> Grant {
    guard permits.enter(bound: bound) else { return .full }
    defer { permits.leave() }
    // After `enter`: a place given back from now on wakes this queue, one given back before is found here.
    if tryAcquire() { return .granted }
    let waiter = LoopWait<Void>(loop: loop)
    waiters.append(waiter)
    whenWaiting()
    switch await waiter.wait(until: deadline) {
    case .value: return .granted
    case .timedOut: return .timedOut
    case .cancelled: return .cancelled
    }
  }

  /// Gives a place back and serves who waits.
  func release() {
    permits.giveBack()
    if permits.waiters > 0 { serve(andOthers: true) }
  }

  /// Serves this loop's waiters while places are free.
  func serve(andOthers: Bool) {
    while true {
      dropEnded()
      guard !isEmpty else { break }
      guard permits.tryAcquire() else { return }
      let waiter = waiters[head]
      advance()
      waiter.end(.value(()))
    }
    if andOthers { wakeOthers() }
  }

  /// Those at the front that have stopped waiting: nobody stands behind them in vain.
  private func dropEnded() {
    while head < waiters.count, waiters[head].isOver { advance() }
  }

  private func advance() {
    head += 1
    if head == waiters.count || head > 64 {
      waiters.removeFirst(head)
      head = 0
    }
  }
}
