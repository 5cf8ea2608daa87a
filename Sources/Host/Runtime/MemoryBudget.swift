import Synchronization

/// The bytes that are held for clients: request bodies, what was not read out of a request yet, what a slow client has not taken,
/// answers that are gathered for several or kept. Beyond `listen.max_memory` new requests are shed.
///
/// What an upstream's connection holds has bounds of its own: 64 KiB and one piece for each call in flight.
final class MemoryBudget: Sendable {
  private let held = Atomic<Int>(0)
  private let bound: Atomic<Int>

  init(limit: Int) { bound = Atomic(limit) }

  var limit: Int {
    get { bound.load(ordering: .relaxed) }
    set { bound.store(newValue, ordering: .relaxed) }
  }

  var used: Int { held.load(ordering: .relaxed) }
  func add(_ bytes: Int) { held.add(bytes, ordering: .relaxed) }
  /// There is no room for so many bytes more.
  func isExceeded(by more: Int) -> Bool { used > limit - more }
}

/// Counts for some bytes as long as it lives.
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
