import AdapterAPI

/// A queue of waiters, by priority and then by arrival. Every operation takes constant time.
struct PriorityQueue<Waiter> {
  /// Identifies one waiter. Its slot may be reused, the ticket never names a later waiter.
  struct Ticket: Sendable, Hashable {
    fileprivate let slot: Int
    fileprivate let generation: UInt32
  }

  /// A link in the list of its priority, or free.
  private struct Slot {
    var waiter: Waiter?
    var priority = Priority.writes
    var previous = none
    var next = none
    var generation: UInt32 = 0
  }

  private struct List {
    var first = none
    var last = none
    var count = 0
  }

  private static var none: Int { -1 }
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var lists = [List](repeating: List(), count: Priority.allCases.count)
  private(set) var count = 0

  /// Returns the number of waiters of one priority.
  func count(in priority: Priority) -> Int { lists[priority.rawValue].count }

  /// The highest priority that has waiters, and the one that has waited longest in it.
  var first: (priority: Priority, waiter: Waiter)? {
    for priority in Priority.allCases where lists[priority.rawValue].first >= 0 {
      if let waiter = slots[lists[priority.rawValue].first].waiter { return (priority, waiter) }
    }
    return nil
  }

  mutating func append(_ waiter: Waiter, in priority: Priority) -> Ticket {
    let slot = free.popLast() ?? slots.count
    if slot == slots.count { slots.append(Slot()) }
    let last = lists[priority.rawValue].last
    slots[slot].waiter = waiter
    slots[slot].priority = priority
    slots[slot].previous = last
    slots[slot].next = Self.none
    if last >= 0 { slots[last].next = slot } else { lists[priority.rawValue].first = slot }
    lists[priority.rawValue].last = slot
    lists[priority.rawValue].count += 1
    count += 1
    return Ticket(slot: slot, generation: slots[slot].generation)
  }

  /// Removes the first waiter.
  mutating func removeFirst() {
    for priority in Priority.allCases where lists[priority.rawValue].first >= 0 {
      return remove(lists[priority.rawValue].first)
    }
  }

  /// Removes the youngest waiter of the lowest priority below this one.
  mutating func removeYoungest(below priority: Priority) -> Waiter? {
    for lower in Priority.allCases.reversed() where lower > priority && lists[lower.rawValue].last >= 0 {
      let slot = lists[lower.rawValue].last
      defer { remove(slot) }
      return slots[slot].waiter
    }
    return nil
  }

  /// Removes a waiter, if it is still in the queue.
  mutating func remove(_ ticket: Ticket) {
    guard slots[ticket.slot].generation == ticket.generation else { return }
    remove(ticket.slot)
  }

  private mutating func remove(_ slot: Int) {
    let (priority, previous, next) = (slots[slot].priority.rawValue, slots[slot].previous, slots[slot].next)
    if previous >= 0 { slots[previous].next = next } else { lists[priority].first = next }
    if next >= 0 { slots[next].previous = previous } else { lists[priority].last = previous }
    lists[priority].count -= 1
    count -= 1
    slots[slot].waiter = nil
    slots[slot].generation &+= 1
    free.append(slot)
  }
}
