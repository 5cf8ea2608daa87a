import AdapterAPI

/// The callers that wait for a token, by the time at which each has to be looked at next. Adding and finding the next one are
/// logarithmic.
struct TokenWaiters: Sendable {
  typealias ID = UInt64

  private var deadlines: [ID: Instant] = [:]
  /// Entries of removed waiters stay until they are due, or are cleared away when there are many.
  private var heap = TimerHeap()

  var isEmpty: Bool { deadlines.isEmpty }
  var count: Int { deadlines.count }

  /// The number of entries, including those of removed waiters.
  var entryCount: Int { heap.count }

  mutating func add(_ id: ID, due: Instant, deadline: Instant) {
    deadlines[id] = deadline
    heap.push(TimerHeap.Entry(at: min(due, deadline).nanoseconds, id: id)) { [deadlines] in deadlines[$0.id] != nil }
  }

  /// - Returns: false when there is no such waiter.
  @discardableResult
  mutating func remove(_ id: ID) -> Bool {
    guard deadlines.removeValue(forKey: id) != nil else { return false }
    if deadlines.isEmpty { heap = TimerHeap() }
    return true
  }

  /// Removes all waiters and returns them in the order in which they came.
  mutating func removeAll() -> [ID] {
    let all = deadlines.keys.sorted()
    deadlines.removeAll()
    heap = TimerHeap()
    return all
  }

  var nextDue: Instant? { heap.first.map(Instant.init(nanoseconds:)) }

  /// Removes a waiter that is due, and returns it with its deadline.
  mutating func popDue(_ now: Instant) -> (id: ID, deadline: Instant)? {
    while let entry = heap.pop(ifDueAt: now.nanoseconds) {
      if let deadline = deadlines.removeValue(forKey: entry.id) { return (entry.id, deadline) }
    }
    return nil
  }
}
