import Glibc

/// A hash table with CLOCK eviction (second chance): an eviction continues where the last one ended, skips the entries that were found
/// since it last came by, and removes the first one that was not.
///
/// A chained hash table over slots without gaps. The owner gives the hashes and compares the keys, so that a key can be looked up
/// without being built. No lock, no clock, no bound of its own: the owner calls `evictOne`.
struct ClockCache<Element>: ~Copyable {
  private struct Slot {
    let hash: UInt64
    var element: Element
    /// The next slot of the same chain, plus one; 0 ends the chain.
    var next: UInt32
    /// Found since the last eviction that came by.
    var wasUsed: Bool
  }

  /// The number of entries. The slots below are in use; those above are not initialized.
  private(set) var count = 0
  private var capacity = 0
  /// The first slot of each chain, plus one. Their number is a power of two.
  private var heads: UnsafeMutablePointer<UInt32>?
  private var mask = 0
  private var slots: UnsafeMutablePointer<Slot>?
  private var hand = 0

  var isEmpty: Bool { count == 0 }

  deinit {
    if let slots {
      slots.deinitialize(count: count)
      slots.deallocate()
    }
    free(heads)
  }

  /// Returns the index of an entry and marks it as used; nil when there is none. The index is valid until the next change.
  ///
  /// - Parameter isMatch: compares the key of an entry that has the same hash.
  @inline(__always)
  borrowing func find(_ hash: UInt64, _ isMatch: (borrowing Element) -> Bool) -> Int? {
    guard count > 0, let heads, let slots else { return nil }
    var next = heads[Int(truncatingIfNeeded: hash) & mask]
    while next != 0 {
      let index = Int(next) - 1
      if slots[index].hash == hash, isMatch(slots[index].element) {
        slots[index].wasUsed = true
        return index
      }
      next = slots[index].next
    }
    return nil
  }

  /// Returns a part of the entry at an index that `find` returned, without a copy of the whole entry.
  @inline(__always)
  borrowing func read<Part>(_ index: Int, _ part: KeyPath<Element, Part>) -> Part {
    precondition(index < count)
    return slots.unsafelyUnwrapped[index].element[keyPath: part]
  }

  /// The entry at an index that `find` returned, or below `count`.
  subscript(index: Int) -> Element {
    @inline(__always) borrowing get {
      precondition(index < count)
      return slots.unsafelyUnwrapped[index].element
    }
    set {
      precondition(index < count)
      slots.unsafelyUnwrapped[index].element = newValue
    }
  }

  /// Reserves memory for so many entries at once. Its pages are touched only as they fill.
  mutating func reserve(_ capacity: Int) {
    guard capacity > self.capacity else { return }
    let grown = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
    if let slots {
      grown.moveInitialize(from: slots, count: count)
      slots.deallocate()
    }
    slots = grown
    self.capacity = capacity
    var chains = 8
    while chains < capacity { chains *= 2 }
    free(heads)
    guard let memory = calloc(chains, MemoryLayout<UInt32>.stride) else { fatalError("out of memory") }
    heads = memory.assumingMemoryBound(to: UInt32.self)
    mask = chains - 1
    for index in 0..<count { link(index) }
  }

  /// Adds an entry whose key must not be in the table yet. Doubles the table when it is full.
  mutating func insert(_ hash: UInt64, _ element: Element) {
    if count == capacity { reserve(max(8, 2 * capacity)) }
    (slots.unsafelyUnwrapped + count).initialize(to: Slot(hash: hash, element: element, next: 0, wasUsed: false))
    link(count)
    count += 1
  }

  /// Removes the entry at an index and returns it. The last entry takes its slot.
  @discardableResult
  mutating func remove(at index: Int) -> Element {
    precondition(index < count)
    let slots = slots.unsafelyUnwrapped
    relink(index, to: slots[index].next)
    let removed = (slots + index).move()
    let last = count - 1
    if index != last {
      relink(last, to: UInt32(index + 1))
      (slots + index).moveInitialize(from: slots + last, count: 1)
    }
    count = last
    return removed.element
  }

  /// Evicts one entry by second chance and returns it; nil when the table is empty.
  ///
  /// - Parameter maxSkipped: the number of used entries that are skipped at most, which bounds the time.
  @discardableResult
  mutating func evictOne(maxSkipped: Int = .max) -> Element? {
    guard let slots, count > 0 else { return nil }
    var chances = maxSkipped
    while true {
      // The last slot has the youngest entry, which takes the slot of the evicted one. So the hand turns before the last slot, and
      // steps past the slot that it leaves.
      if hand >= count - 1 { hand = 0 }
      let index = hand
      hand += 1
      guard slots[index].wasUsed, chances > 0 else { return remove(at: index) }
      slots[index].wasUsed = false
      chances -= 1
    }
  }

  private borrowing func link(_ index: Int) {
    let (heads, slots) = (heads.unsafelyUnwrapped, slots.unsafelyUnwrapped)
    let chain = Int(truncatingIfNeeded: slots[index].hash) & mask
    slots[index].next = heads[chain]
    heads[chain] = UInt32(index + 1)
  }

  /// Makes the head of the chain, or the slot, that points to the slot at `index` point to `next` instead.
  private borrowing func relink(_ index: Int, to next: UInt32) {
    let (heads, slots) = (heads.unsafelyUnwrapped, slots.unsafelyUnwrapped)
    let link = UInt32(index + 1)
    let chain = Int(truncatingIfNeeded: slots[index].hash) & mask
    if heads[chain] == link {
      heads[chain] = next
      return
    }
    var before = heads[chain]
    while before != 0 {
      if slots[Int(before) - 1].next == link {
        slots[Int(before) - 1].next = next
        return
      }
      before = slots[Int(before) - 1].next
    }
  }
}
