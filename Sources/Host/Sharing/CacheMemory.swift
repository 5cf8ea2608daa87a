import Synchronization

/// The memory that cached responses may take: a quarter of `listen.max_memory`, over all adapters. It counts in that budget too.
final class CacheMemory: Sendable {
  private let memory: MemoryBudget
  private let taken = Atomic<Int>(0)

  init(_ memory: MemoryBudget) { self.memory = memory }

  /// In bytes.
  var limit: Int { memory.limit / 4 }
  var isExceeded: Bool { used > limit }
  var used: Int { taken.load(ordering: .relaxed) }

  /// Reserves so many bytes, or returns nil when there is no room. They count in the server's memory as long as the charge is held.
  func take(_ bytes: Int) -> MemoryCharge? {
    var current = taken.load(ordering: .relaxed)
    while current <= limit - bytes {
      let (exchanged, original) = taken.weakCompareExchange(
        expected: current, desired: current + bytes, ordering: .relaxed)
      if exchanged { return MemoryCharge(bytes, to: memory) }
      current = original
    }
    return nil
  }

  func giveBack(_ bytes: Int) { taken.subtract(bytes, ordering: .relaxed) }
}
