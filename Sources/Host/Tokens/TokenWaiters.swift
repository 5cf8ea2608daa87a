import AdapterAPI

/// Who waits for a token, and who is due next. Adding, removing and finding the next are at most logarithmic.
struct TokenWaiters: Sendable {
  typealias ID = UInt64

  private struct Entry {
    let due: Instant
    let id: ID
  }

  /// The deadlines of those that wait.
  private var deadlines: [ID: Instant] = [:]
  /// A binary heap by `due`. Entries of waiters that are gone stay until they are due or too many.
  private var heap: [Entry] = []

  var isEmpty: Bool { deadlines.isEmpty }
  var count: Int { deadlines.count }

  /// With the entries of those that are gone.
  var entryCount: Int { heap.count }

  mutating func add(_ id: ID, due: Instant, deadline: Instant) {
    deadlines[id] = deadline
    push(Entry(due: min(due, deadline), id: id))
  }

  @discardableResult
  mutating func remove(_ id: ID) -> Bool {
    guard deadlines.removeValue(forKey: id) != nil else { return false }
    if deadlines.isEmpty {
      heap.removeAll(keepingCapacity: true)
    } else if heap.count > 2 * deadlines.count + 64 {
      rebuild()
    }
    return true
  }

  mutating func removeAll() -> [ID] {
    let all = deadlines.keys.sorted()
    deadlines.removeAll()
    heap.removeAll()
    return all
  }

  var nextDue: Instant? { heap.first?.due }

  /// Takes out one that is due, with its deadline.
  mutating func popDue(_ now: Instant) -> (id: ID, deadline: Instant)? {
    while let first = heap.first, first.due <= now {
      pop()
      if let deadline = deadlines.removeValue(forKey: first.id) { return (first.id, deadline) }
    }
    return nil
  }

  private mutating func rebuild() {
    let alive = heap.filter { deadlines[$0.id] != nil }
    heap.removeAll(keepingCapacity: true)
    for entry in alive { push(entry) }
  }

  private mutating func push(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].due < heap[parent].due else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func pop() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      let left = 2 * parent + 1
      guard left < heap.count else { return }
      let right = left + 1
      let child = right < heap.count && heap[right].due < heap[left].due ? right : left
      guard heap[child].due < heap[parent].due else { return }
      heap.swapAt(child, parent)
      parent = child
    }
  }
}
