import Glibc

/// The recently verified tokens of one event loop, found by their exact bytes. Bounded in number and in bytes.
///
/// A chained hash table over a fixed set of slots, with CLOCK (second chance) eviction. Memory is reserved with the first token
/// and touched as slots fill. Every operation takes constant time.
struct TokenCache: ~Copyable {
  /// In bytes. A longer token is verified each time: it would take the space of many.
  static let maxTokenSize = 4096
  /// The average token size in bytes, which times the capacity is the bound in bytes.
  private static let averageSize = 1024
  private static let maxSteps = 16

  private struct Slot {
    let hash: UInt64
    let token: UnsafeMutablePointer<UInt8>
    let length: Int
    /// The next slot of the same chain plus one; 0 at the chain's end.
    var next: UInt32
    /// The token was found since eviction last considered the slot.
    var wasUsed: Bool
    let principal: Principal
  }

  let capacity: Int
  /// The number of tokens. The first `count` slots are initialized.
  private(set) var count = 0
  /// The size of all tokens in bytes.
  private(set) var byteCount = 0

  private let mask: Int
  /// The first slot of each chain plus one.
  private var heads: UnsafeMutablePointer<UInt32>?
  private var slots: UnsafeMutablePointer<Slot>?
  /// The slot that eviction considers next.
  private var hand = 0

  /// Limits the capacity to 2^20 tokens.
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

  /// Returns the slot of a token, valid until the next change; nil when the token is not cached.
  borrowing func find(_ token: UnsafeBufferPointer<UInt8>) -> Int? {
    guard count > 0, let heads, let slots, let start = token.baseAddress else { return nil }
    let hash = Self.hash(token)
    var next = heads[chain(hash)]
    while next != 0 {
      let index = Int(next) - 1
      // The comparison's time tells how far two tokens agree. A client that does not know the end of a cached token does not
      // get as far as this comparison.
      if slots[index].hash == hash, slots[index].length == token.count,
        memcmp(slots[index].token, start, token.count) == 0
      {
        slots[index].wasUsed = true
        return index
      }
      next = slots[index].next
    }
    return nil
  }

  /// Returns the principal in a slot that `find` returned.
  borrowing func principal(at index: Int) -> Principal? {
    guard let slots, index < count else { return nil }
    return slots[index].principal
  }

  /// Stores a token, which must not be cached yet.
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
        hash: hash, token: copy, length: token.count, next: heads[chain(hash)], wasUsed: false, principal: principal))
    count += 1
    heads[chain(hash)] = UInt32(count)
    byteCount += token.count
  }

  /// Removes the token in a slot that `find` returned. The token of the last slot moves there.
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

  /// Lets the link to the slot at `index` (the head of its chain, or the slot before it) point to `next`.
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

  /// Evicts one token, passing over at most `maxSteps` tokens that were used since the last time. The cache must not be empty.
  private mutating func evictOne() {
    guard let slots else { return }
    var chances = Self.maxSteps
    while true {
      // The last slot has the newest token, which moves to the evicted token's slot. So the hand turns before the last slot,
      // and passes the slot that it frees.
      if hand >= count - 1 { hand = 0 }
      let index = hand
      hand += 1
      guard slots[index].wasUsed, chances > 0 else { return remove(at: index) }
      slots[index].wasUsed = false
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

  // MARK: The hash

  /// Returns a hash of the token's length and its last 32 characters. They are the end of a verified signature, which no client
  /// can choose, so the hash is as well distributed as one of the whole token, at a tenth of the time. Because of the seed no
  /// client can compute it.
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

  /// Random for each process. The second number is odd, so that multiplication loses no bits.
  private static let seed = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max) | 1)
}
