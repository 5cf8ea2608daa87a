import Glibc

/// The recently verified tokens of one event loop, found by their exact bytes. Bounded in number and in bytes.
///
/// Memory is reserved with the first token and touched as the table fills. Every operation takes constant time.
struct TokenCache: ~Copyable {
  /// In bytes. A longer token is verified each time: it would take the space of many.
  static let maxTokenSize = 4096
  /// The average token size in bytes, which times the capacity is the bound in bytes.
  private static let averageSize = 1024
  /// The number of used tokens that an eviction skips at most.
  private static let maxSkipped = 16

  private struct Entry {
    let token: UnsafeMutablePointer<UInt8>
    let length: Int
    let principal: Principal
  }

  let capacity: Int
  /// The size of the tokens in bytes.
  private(set) var byteCount = 0
  private var entries = ClockCache<Entry>()

  /// - Parameter capacity: in tokens; at most 2^20.
  init(capacity: Int) { self.capacity = min(max(0, capacity), 1 << 20) }

  deinit {
    for index in 0..<entries.count { entries[index].token.deallocate() }
  }

  /// The number of tokens.
  var count: Int { entries.count }

  /// Returns the index of a token; nil when it is not here. The index is valid until the next change.
  borrowing func find(_ token: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let start = token.baseAddress else { return nil }
    // A caller that does not know the end of a cached token never gets as far as the comparison, whose time tells how many bytes are
    // equal.
    return entries.find(Self.hash(token)) { $0.length == token.count && memcmp($0.token, start, token.count) == 0 }
  }

  /// The principal at an index that `find` returned.
  borrowing func principal(at index: Int) -> Principal? { index < count ? entries.read(index, \.principal) : nil }

  /// Adds a token, which must not be here yet.
  mutating func insert(_ token: UnsafeBufferPointer<UInt8>, _ principal: Principal) {
    guard capacity > 0, token.count <= Self.maxTokenSize, let source = token.baseAddress else { return }
    entries.reserve(capacity)
    let limit = max(capacity * Self.averageSize, Self.maxTokenSize)
    while count == capacity || byteCount + token.count > limit {
      guard let evicted = entries.evictOne(maxSkipped: Self.maxSkipped) else { break }
      release(evicted)
    }
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: token.count)
    copy.initialize(from: source, count: token.count)
    entries.insert(Self.hash(token), Entry(token: copy, length: token.count, principal: principal))
    byteCount += token.count
  }

  /// Removes the token at an index that `find` returned.
  mutating func remove(at index: Int) {
    guard index < count else { return }
    release(entries.remove(at: index))
  }

  private mutating func release(_ entry: Entry) {
    byteCount -= entry.length
    entry.token.deallocate()
  }

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
