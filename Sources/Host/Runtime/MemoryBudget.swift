import Synchronization

/// The bytes in memory for clients: request bodies, unread parts of requests, parts of responses that slow clients have not taken,
/// responses gathered for several callers, and cached responses. Beyond `listen.max_memory` new requests are shed. Safe on any thread.
///
/// The memory of upstream connections has a bound of its own: 64 KiB and one piece for each call in flight.
final class MemoryBudget: Sendable {
  private let bytes = Atomic<Int>(0)
  private let bound: Atomic<Int>

  init(limit: Int) { bound = Atomic(limit) }

  var limit: Int {
    get { bound.load(ordering: .relaxed) }
    set { bound.store(newValue, ordering: .relaxed) }
  }

  var used: Int { bytes.load(ordering: .relaxed) }
  func add(_ bytes: Int) { self.bytes.add(bytes, ordering: .relaxed) }
  /// There is no room for so many more bytes.
  func isExceeded(by more: Int) -> Bool { used > limit - more }
}

/// Counts some bytes in a budget as long as it lives.
final class MemoryCharge: Sendable {
  private let bytes: Int
  private let memory: MemoryBudget

  init(_ bytes: Int, to memory: MemoryBudget) {
    self.bytes = bytes
    self.memory = memory
    memory.add(bytes)
  }

  deinit { memory.add(-bytes) }
}
