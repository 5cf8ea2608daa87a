import AdapterAPI

/// Who waits, lane by lane, in order of arrival. Joining, leaving and being served take the same time however many wait.
struct LaneQueue<Waiter> {
  /// One waiter's stay; it never means a later one.
  struct Ticket: Sendable, Hashable {
    fileprivate let slot: Int
    fileprivate let generation: UInt32
  }

  /// A link of its lane's list, or free.
  private struct Slot {
    var waiter: Waiter?
    var lane = Lane.writes
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
  private var lists = [List](repeating: List(), count: Lane.allCases.count)
  private(set) var count = 0

  /// How many wait in one lane.
  func count(in lane: Lane) -> Int { lists[lane.rawValue].count }

  /// The lane whose turn it is, and who has waited longest in it.
  var first: (lane: Lane, waiter: Waiter)? {
    for lane in Lane.allCases where lists[lane.rawValue].first >= 0 {
      if let waiter = slots[lists[lane.rawValue].first].waiter { return (lane, waiter) }
    }
    return nil
  }

  mutating func append(_ waiter: Waiter, in lane: Lane) -> Ticket {
    let slot = free.popLast() ?? slots.count
    if slot == slots.count { slots.append(Slot()) }
    let last = lists[lane.rawValue].last
    slots[slot].waiter = waiter
    slots[slot].lane = lane
    slots[slot].previous = last
    slots[slot].next = Self.none
    if last >= 0 { slots[last].next = slot } else { lists[lane.rawValue].first = slot }
    lists[lane.rawValue].last = slot
    lists[lane.rawValue].count += 1
    count += 1
    return Ticket(slot: slot, generation: slots[slot].generation)
  }

  /// Takes out who is first.
  mutating func removeFirst() {
    for lane in Lane.allCases where lists[lane.rawValue].first >= 0 { return remove(lists[lane.rawValue].first) }
  }

  /// Takes out the youngest of the last lane after this one in which anybody waits.
  mutating func removeYoungest(after lane: Lane) -> Waiter? {
    for lower in Lane.allCases.reversed() where lower > lane && lists[lower.rawValue].last >= 0 {
      let slot = lists[lower.rawValue].last
      defer { remove(slot) }
      return slots[slot].waiter
    }
    return nil
  }

  /// Takes out who leaves; nothing happens when that was done already.
  mutating func remove(_ ticket: Ticket) {
    guard slots[ticket.slot].generation == ticket.generation else { return }
    remove(ticket.slot)
  }

  private mutating func remove(_ slot: Int) {
    let (lane, previous, next) = (slots[slot].lane.rawValue, slots[slot].previous, slots[slot].next)
    if previous >= 0 { slots[previous].next = next } else { lists[lane].first = next }
    if next >= 0 { slots[next].previous = previous } else { lists[lane].last = previous }
    lists[lane].count -= 1
    count -= 1
    slots[slot].waiter = nil
    slots[slot].generation &+= 1
    free.append(slot)
  }
}
