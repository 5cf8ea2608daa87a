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
    var current = used.load(ordering: .relaxed)
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

  /// A place at once, if one is free and nobody waits for it here.
  func tryAcquire() -> Bool { isEmpty && permits.tryAcquire() }

  /// Waits for a place until the deadline, with at most `bound` waiting over all loops.
  func acquire(until deadline: Instant, bound: Int) async -> Grant {
    guard permits.enter(bound: bound) else { return .full }
    defer { permits.leave() }
    // After `enter`: a place given back from now on wakes this queue, one given back before is found here.
    if tryAcquire() { return .granted }
    let waiter = LoopWait<Void>(loop: loop)
    waiters.append(waiter)
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
    while !isEmpty {
      guard !waiters[head].isOver else {
        advance()
        continue
      }
      guard permits.tryAcquire() else { return }
      let waiter = waiters[head]
      advance()
      waiter.end(.value(()))
    }
    if andOthers { wakeOthers() }
  }

  private func advance() {
    head += 1
    if head == waiters.count || head > 64 {
      waiters.removeFirst(head)
      head = 0
    }
  }
}
