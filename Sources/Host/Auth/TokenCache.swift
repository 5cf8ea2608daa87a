import Glibc

/// The tokens that were verified lately, found by their exact bytes. Bounded in number and in bytes; one event loop's.
///
/// A chained hash table over a fixed set of slots, with the CLOCK rule (second chance) for eviction. Memory is reserved
/// with the first token and touched as slots fill. Nothing here takes longer when the cache is larger.
struct TokenCache: ~Copyable {
  /// A longer token is verified each time: it would take the place of many.
  static let maxTokenSize = 4096
  /// What a token may be on average before the bound in bytes holds.
  private static let averageSize = 1024
  private static let maxSteps = 16

  private struct Slot {
    let hash: UInt64
    let token: UnsafeMutablePointer<UInt8>
    let length: Int
    /// The next slot of the same chain, plus one; 0 ends it.
    var next: UInt32
    /// Shown since the clock's hand last came by.
    var wasShown: Bool
    let principal: Principal
  }

  let capacity: Int
  /// The slots below are in use, without gaps; those beyond are not initialized.
  private(set) var count = 0
  /// The tokens' bytes.
  private(set) var byteCount = 0

  private let mask: Int
  /// First slot of each chain, plus one.
  private var heads: UnsafeMutablePointer<UInt32>?
  private var slots: UnsafeMutablePointer<Slot>?
  private var hand = 0

  /// At most 2^20 tokens, whatever is asked for.
  init(capacity: Int) {
    self.capacity = min(max(0, capacity), 1 << 20)
    var chains = 8
    while chains < self.capacity { chains *= 2 }
    mask = chains - 1
  }

  deinit {
    if let slots {
      for index in 0..<count { slots[index].token.deallocate() }
      slots.deinitialize(count: count)
      slots.deallocate()
    }
    free(heads)
  }

  /// The slot of a token; nil when it is not here. Good until the next change.
  borrowing func find(_ token: UnsafeBufferPointer<UInt8>) -> Int? {
    guard count > 0, let heads, let slots, let start = token.baseAddress else { return nil }
    let hash = Self.hash(token)
    var next = heads[chain(hash)]
    while next != 0 {
      let index = Int(next) - 1
      // Whoever doesn't know a remembered token's end never gets as far as the comparison, whose time tells how far two
      // agree.
      if slots[index].hash == hash, slots[index].length == token.count,
        memcmp(slots[index].token, start, token.count) == 0
      {
        slots[index].wasShown = true
        return index
      }
      next = slots[index].next
    }
    return nil
  }

  /// What is remembered in a slot that `find` gave.
  borrowing func principal(at index: Int) -> Principal? {
    guard let slots, index < count else { return nil }
    return slots[index].principal
  }

  /// Remembers a token, which must not be here yet.
  mutating func insert(_ token: UnsafeBufferPointer<UInt8>, _ principal: Principal) {
    guard capacity > 0, token.count <= Self.maxTokenSize, let source = token.baseAddress, reserve() else { return }
    let limit = max(capacity * Self.averageSize, Self.maxTokenSize)
    while count == capacity || byteCount + token.count > limit { evictOne() }
    guard let heads, let slots else { return }

    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: token.count)
    copy.initialize(from: source, count: token.count)
    let hash = Self.hash(token)
    (slots + count).initialize(
      to: Slot(
        hash: hash, token: copy, length: token.count, next: heads[chain(hash)], wasShown: false, principal: principal))
    count += 1
    heads[chain(hash)] = UInt32(count)
    byteCount += token.count
  }

  /// Forgets what is in a slot that `find` gave. The last slot takes its place.
  mutating func remove(at index: Int) {
    guard let slots, index < count else { return }
    relink(index, to: slots[index].next)
    byteCount -= slots[index].length
    slots[index].token.deallocate()
    (slots + index).deinitialize(count: 1)
    let last = count - 1
    if index != last {
      relink(last, to: UInt32(index + 1))
      (slots + index).moveInitialize(from: slots + last, count: 1)
    }
    count = last
  }

  /// Lets whatever points to the slot at `index`, the head of its chain or the slot before it, point to `next`.
  private borrowing func relink(_ index: Int, to next: UInt32) {
    guard let heads, let slots else { return }
    let link = UInt32(index + 1)
    let head = chain(slots[index].hash)
    if heads[head] == link {
      heads[head] = next
      return
    }
    var before = heads[head]
    while before != 0 {
      if slots[Int(before) - 1].next == link {
        slots[Int(before) - 1].next = next
        return
      }
      before = slots[Int(before) - 1].next
    }
  }

  /// Second chance: passes by what was shown since the last time, but not more than `maxSteps` of them. Called when not
  /// empty.
  private mutating func evictOne() {
    guard let slots else { return }
    var chances = Self.maxSteps
    while true {
      // The last slot has the youngest token, which takes the place of the one that goes. So the hand turns before the
      // last slot, and steps past the place that it leaves.
      if hand >= count - 1 { hand = 0 }
      let index = hand
      hand += 1
      guard slots[index].wasShown, chances > 0 else { return remove(at: index) }
      slots[index].wasShown = false
      chances -= 1
    }
  }

  private mutating func reserve() -> Bool {
    if slots != nil { return true }
    guard let heads = calloc(mask + 1, MemoryLayout<UInt32>.stride) else { return false }
    self.heads = heads.assumingMemoryBound(to: UInt32.self)
    slots = .allocate(capacity: capacity)
    return true
  }

  private borrowing func chain(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & mask }

  // MARK: hash

  /// Of the token's length and its last 32 characters: the end of a signature, which nobody can choose, and only
  /// verified tokens get in. So this is as well spread as a hash of all of it, at a tenth of the time; the seed keeps
  /// it from being computed outside.
  private static func hash(_ token: UnsafeBufferPointer<UInt8>) -> UInt64 {
    let raw = UnsafeRawBufferPointer(token)
    var hash = seed.0 ^ UInt64(truncatingIfNeeded: token.count)
    guard raw.count >= 32 else {
      for byte in raw { hash = mix(hash ^ UInt64(byte)) }
      return hash
    }
    for offset in stride(from: raw.count - 32, to: raw.count, by: 8) {
      hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    return hash
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    let product = (value ^ seed.0).multipliedFullWidth(by: seed.1)
    return product.high ^ product.low
  }

  /// The process's own; the second is odd, so that multiplying loses nothing.
  private static let seed = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max) | 1)
}
