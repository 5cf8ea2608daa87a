import Synchronization

/// The bytes that kept answers may take: a quarter of `listen.max_memory`, over all adapters. They count there too.
final class CacheMemory: Sendable {
  private let memory: MemoryBudget
  private let held = Atomic<Int>(0)

  init(_ memory: MemoryBudget) { self.memory = memory }

  var limit: Int { memory.limit / 4 }
  var isExceeded: Bool { used > limit }
  var used: Int { held.load(ordering: .relaxed) }

  /// Takes room for so many bytes, if there is enough; they count in the server's memory as long as anybody holds the charge.
  func take(_ bytes: Int) -> MemoryCharge? {
    var current = held.load(ordering: .relaxed)
    while current <= limit - bytes {
      let (exchanged, original) = held.weakCompareExchange(
        expected: current, desired: current + bytes, ordering: .relaxed)
      if exchanged { return MemoryCharge(bytes, to: memory) }
      current = original
    }
    return nil
  }

  func giveBack(_ bytes: Int) { held.subtract(bytes, ordering: .relaxed) }
}
