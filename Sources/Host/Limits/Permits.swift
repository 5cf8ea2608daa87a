import AdapterAPI
import Synchronization

/// A concurrency limit that all loops share: requests in flight to one upstream, or connections to it.
///
/// A free permit is taken with one atomic operation. A request that finds none, or finds waiters that go before it, waits in one
/// queue for all loops (`PriorityQueue`). The lock of the queue is not touched while the queue is empty.
final class Permits: PermitPool {
  let limit: Int
  /// The most permits that values and history may hold together, and history alone.
  private let readLimit: Int
  private let historyLimit: Int
  private let hasReserve: Bool
  /// Three counts in one word: the permits taken by all priorities, by values and history, by history.
  private let used = Atomic<UInt64>(0)
  /// Three counts in one word: the waiters of the highest priority, of the two highest, of all. Written under the queue's lock.
  private let waiting = Atomic<UInt64>(0)
  private let queue = Mutex(PriorityQueue<Waiter>())

  /// Resumed with `true` when granted, `false` when evicted by a waiter of higher priority.
  private typealias Waiter = LoopBound<LoopWait<Bool>>

  /// - Parameter hasReserve: Some permits are reserved for the higher priorities (docs/decisions/0003). A permit must then be
  ///   released with the priority that it was taken for.
  init(limit: Int, hasReserve: Bool = false) {
    precondition(limit <= Permits.field)
    self.limit = limit
    readLimit = hasReserve && limit >= 16 ? limit - 1 : limit
    historyLimit = hasReserve && limit >= 4 ? limit - limit / 4 : limit
    self.hasReserve = hasReserve
  }

  var inUse: Int { Permits.count(used.load(ordering: .relaxed), upTo: .writes) }
  var isUsedUp: Bool { inUse >= limit }
  /// The number of waiters, over all loops.
  var waiters: Int { Permits.count(waiting.load(ordering: .sequentiallyConsistent), upTo: .history) }

  func tryAcquire(_ priority: Priority) -> Bool {
    Permits.count(waiting.load(ordering: .sequentiallyConsistent), upTo: priority) == 0 && take(priority)
  }

  func acquire(
    _ priority: Priority, on loop: EventLoop, until deadline: Instant, bound: Int, whenWaiting: () -> Void
  ) async -> PermitGrant {
    let wait = LoopWait<Bool>(loop: loop)
    let waiter = LoopBound(wait, on: loop)
    let (ticket, evicted) = queue.withLock { queue -> (PriorityQueue<Waiter>.Ticket?, Waiter?) in
      let evicted = queue.count == bound ? queue.removeYoungest(below: priority) : nil
      guard queue.count < bound else { return (nil, nil) }
      let ticket = queue.append(waiter, in: priority)
      publish(queue)
      return (ticket, evicted)
    }
    guard let ticket else { return .full }
    evicted?.loop.execute { evicted?.value.end(.value(false)) }
    // After `publish`: a permit released from now on finds this waiter, and one released before is found here.
    serve()
    if !wait.isOver { whenWaiting() }
    switch await wait.wait(until: deadline) {
    case .value(let isGranted): return isGranted ? .granted : .full
    case .timedOut:
      leave(ticket)
      return .timedOut
    case .cancelled:
      leave(ticket)
      return .cancelled
    }
  }

  func release(_ priority: Priority) {
    used.subtract(one(of: priority), ordering: .sequentiallyConsistent)
    if waiting.load(ordering: .sequentiallyConsistent) != 0 { serve() }
  }

  /// Grants the free permits.
  ///
  /// A permit that is free for one priority is free for the higher ones too, so no waiter can be granted when the first can't.
  private func serve() {
    let served = queue.withLock { queue in
      var served: [(priority: Priority, waiter: Waiter)] = []
      let before = queue.count
      while let first = queue.first {
        // A waiter of this thread may have stopped waiting without having left the queue yet.
        let isOver = first.waiter.loop.isCurrent && first.waiter.value.isOver
        guard isOver || take(first.priority) else { break }
        queue.removeFirst()
        if !isOver { served.append(first) }
      }
      if queue.count != before { publish(queue) }
      return served
    }
    for (priority, waiter) in served {
      waiter.loop.execute {
        // It may have stopped waiting while the permit was on its way.
        if waiter.value.isOver { self.release(priority) } else { waiter.value.end(.value(true)) }
      }
    }
  }

  private func leave(_ ticket: PriorityQueue<Waiter>.Ticket) {
    queue.withLock { queue in
      queue.remove(ticket)
      publish(queue)
    }
  }

  // MARK: counts

  private static let width: UInt64 = 20
  private static let field = 1 << 20 - 1

  private static func count(_ word: UInt64, upTo priority: Priority) -> Int {
    Int(word >> (UInt64(priority.rawValue) * width)) & field
  }

  /// Returns one permit of this priority, in each of the counts that include it.
  private func one(of priority: Priority) -> UInt64 {
    guard hasReserve else { return 1 }
    return switch priority {
    case .writes: 1
    case .values: 1 | 1 << Permits.width
    case .history: 1 | 1 << Permits.width | 1 << (2 * Permits.width)
    }
  }

  private func isFree(_ word: UInt64, _ priority: Priority) -> Bool {
    // The first count is of all priorities.
    guard Permits.count(word, upTo: .writes) < limit else { return false }
    return switch priority {
    case .writes: true
    case .values: Permits.count(word, upTo: .values) < readLimit
    case .history:
      Permits.count(word, upTo: .values) < readLimit && Permits.count(word, upTo: .history) < historyLimit
    }
  }

  private func take(_ priority: Priority) -> Bool {
    // Sequentially consistent: this load must not be moved before a `publish` that precedes it.
    var current = used.load(ordering: .sequentiallyConsistent)
    while isFree(current, priority) {
      let (exchanged, original) = used.weakCompareExchange(
        expected: current, desired: current + one(of: priority), ordering: .sequentiallyConsistent)
      if exchanged { return true }
      current = original
    }
    return false
  }

  private func publish(_ queue: borrowing PriorityQueue<Waiter>) {
    let first = min(queue.count(in: .writes), Permits.field)
    let second = min(first + queue.count(in: .values), Permits.field)
    let all = min(second + queue.count(in: .history), Permits.field)
    waiting.store(
      UInt64(first) | UInt64(second) << Permits.width | UInt64(all) << (2 * Permits.width),
      ordering: .sequentiallyConsistent)
  }
}
