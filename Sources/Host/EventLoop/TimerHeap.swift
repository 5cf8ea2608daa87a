/// The deadlines of a loop's objects.
///
/// An entry names its object by slot and generation, so the entry of a removed object is recognised and dropped. Objects re-arm
/// lazily, so each has few entries, whatever its traffic. Entries of removed objects are cleared away when the heap has twice as many
/// entries as after the last clearing.
struct TimerHeap: Sendable {
  struct Entry: Comparable, Sendable {
    /// Monotonic nanoseconds.
    var at: Int64
    var id: UInt64

    static func < (a: Entry, b: Entry) -> Bool { a.at < b.at }
  }

  private var heap = Heap<Entry>()
  private var clearAt = TimerHeap.few
  /// The number of entries below which nothing is cleared away.
  private static let few = 1024

  /// The earliest deadline, or nil.
  var first: Int64? { heap.first?.at }
  var count: Int { heap.count }

  /// - Parameter isOfUse: the entry's object still exists.
  mutating func push(_ entry: Entry, isOfUse: (Entry) -> Bool = { _ in true }) {
    if heap.count >= clearAt {
      heap.removeAll { !isOfUse($0) }
      clearAt = max(TimerHeap.few, 2 * heap.count)
    }
    heap.insert(entry)
  }

  /// Removes and returns the earliest entry if it is due.
  mutating func pop(ifDueAt now: Int64) -> Entry? {
    guard let first = heap.first, first.at <= now else { return nil }
    return heap.popFirst()
  }
}
