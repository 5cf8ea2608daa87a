/// A binary heap of deadlines. An entry names its object by slot and generation, so an entry of an object that is gone is
/// recognised and dropped; objects re-arm lazily, so there are few entries per object, whatever its traffic. Those whose objects
/// are gone are cleared away whenever there are twice as many entries as were of use the last time.
struct TimerHeap {
  struct Entry {
    var at: Int64
    var id: UInt64
  }

  private var entries: [Entry] = []
  private var clearAt = TimerHeap.few
  /// So many are never cleared away.
  private static let few = 1024

  /// The earliest deadline, or nil.
  var first: Int64? { entries.first?.at }
  var count: Int { entries.count }

  /// - Parameter isOfUse: whether an entry's object is still there.
  mutating func push(_ entry: Entry, isOfUse: (Entry) -> Bool = { _ in true }) {
    if entries.count >= clearAt {
      entries.removeAll { !isOfUse($0) }
      // A sorted list is a heap.
      entries.sort { $0.at < $1.at }
      clearAt = max(TimerHeap.few, 2 * entries.count)
    }
    entries.append(entry)
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].at < entries[parent].at else { break }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the earliest entry when it is due.
  mutating func pop(ifDueAt now: Int64) -> Entry? {
    guard let top = entries.first, top.at <= now else { return nil }
    let last = entries.removeLast()
    if !entries.isEmpty {
      entries[0] = last
      var parent = 0
      while true {
        var least = parent
        let left = 2 * parent + 1
        if left < entries.count, entries[left].at < entries[least].at { least = left }
        if left + 1 < entries.count, entries[left + 1].at < entries[least].at { least = left + 1 }
        if least == parent { break }
        entries.swapAt(parent, least)
        parent = least
      }
    }
    return top
  }
}
