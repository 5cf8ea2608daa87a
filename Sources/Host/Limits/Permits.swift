import AdapterAPI
import Synchronization

/// A number of places shared by all loops: calls in flight to one upstream, or connections to it.
///
/// A free place is taken with one atomic step. Who finds none, or finds that others wait who go first, waits in one queue for
/// all loops (`PriorityQueue`), behind a lock that nobody touches while nobody waits.
final class Permits: Sendable {
  enum Grant: Sendable { case granted, full, timedOut, cancelled }

  let limit: Int
  /// The most that values and history may hold together, and history alone.
  private let readLimit: Int
  private let historyLimit: Int
  private let keepsFree: Bool
  /// Three counts in one word: the places taken by all priorities, by values and history, by history.
  private let used = Atomic<UInt64>(0)
  /// Likewise who waits: in the first priority, in the first two, in all. Written under the queue's lock.
  private let waiting = Atomic<UInt64>(0)
  private let queue = Mutex(PriorityQueue<Waiter>())

  /// Told whether it has a place, or was put out for somebody of an earlier priority.
  private typealias Waiter = LoopBound<LoopWait<Bool>>

  /// - Parameter keepsFree: Some of the places are kept from the priorities that come last; see docs/decisions/0003. Who takes a
  ///   place must then name the same priority when giving it back.
  init(limit: Int, keepsFree: Bool = false) {
    precondition(limit <= Permits.field)
    self.limit = limit
    readLimit = keepsFree && limit >= 16 ? limit - 1 : limit
    historyLimit = keepsFree && limit >= 4 ? limit - limit / 4 : limit
    self.keepsFree = keepsFree
  }

  var inUse: Int { Permits.count(used.load(ordering: .relaxed), upTo: .writes) }
  /// How many wait, over all loops.
  var waiters: Int { Permits.count(waiting.load(ordering: .sequentiallyConsistent), upTo: .history) }
  var hasWaiters: Bool { waiters > 0 }

  /// A place at once, if one is free for this priority and nobody waits who goes first.
  func tryAcquire(_ priority: Priority) -> Bool {
    Permits.count(waiting.load(ordering: .sequentiallyConsistent), upTo: priority) == 0 && take(priority)
  }

  /// Waits on `loop`, the caller's own, for a place until the deadline, with at most `bound` waiting; where so many do, the
  /// youngest of the last priority makes room for one of an earlier priority. `whenWaiting` is called once it is known that there is
  /// none now, and whoever gives one back can see that somebody waits.
  func acquire(
    _ priority: Priority, on loop: EventLoop, until deadline: Instant, bound: Int, whenWaiting: () -> Void = {}
  ) async -> Grant {
    let wait = LoopWait<Bool>(loop: loop)
    let waiter = LoopBound(wait, on: loop)
    let (ticket, displaced) = queue.withLock { queue -> (PriorityQueue<Waiter>.Ticket?, Waiter?) in
      let displaced = queue.count == bound ? queue.removeYoungest(after: priority) : nil
      guard queue.count < bound else { return (nil, nil) }
      let ticket = queue.append(waiter, in: priority)
      publish(queue)
      return (ticket, displaced)
    }
    guard let ticket else { return .full }
    displaced?.loop.execute { displaced?.value.end(.value(false)) }
    // After `publish`: a place given back from now on finds this waiter, one given back before is found here.
    serve()
    if !wait.isOver { whenWaiting() }
    switch await wait.wait(until: deadline) {
    case .value(let hasPlace): return hasPlace ? .granted : .full
    case .timedOut:
      leave(ticket)
      return .timedOut
    case .cancelled:
      leave(ticket)
      return .cancelled
    }
  }

  /// Gives a place back and hands it to who waits.
  func release(_ priority: Priority) {
    used.subtract(one(of: priority), ordering: .sequentiallyConsistent)
    if waiting.load(ordering: .sequentiallyConsistent) != 0 { serve() }
  }

  /// Hands out the places that are free.
  ///
  /// What a priority may hold an earlier one may hold too: where there is no place for who is first, there is none for anybody.
  private func serve() {
    let served = queue.withLock { queue in
      var served: [(priority: Priority, waiter: Waiter)] = []
      let before = queue.count
      while let first = queue.first {
        // One that has stopped waiting, on this thread, and has not left yet.
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
        // It may have stopped waiting while the place was on its way.
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

  /// A place of this priority in each of the counts that it stands in.
  private func one(of priority: Priority) -> UInt64 {
    guard keepsFree else { return 1 }
    return switch priority {
    case .writes: 1
    case .values: 1 | 1 << Permits.width
    case .history: 1 | 1 << Permits.width | 1 << (2 * Permits.width)
    }
  }

  private func hasPlace(_ word: UInt64, _ priority: Priority) -> Bool {
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
    // Sequentially consistent: this look must not come before `publish`, where that precedes it.
    var current = used.load(ordering: .sequentiallyConsistent)
    while hasPlace(current, priority) {
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
