import Synchronization

/// The bytes that kept answers may take: a quarter of `listen.max_memory`, over all adapters. They count there too.
final class CacheMemory: Sendable {
  private let memory: MemoryBudget
  private let held = Atomic<Int>(0)

  init(_ memory: MemoryBudget) { self.memory = memory }

  var limit: Int { memory.limit / 4 }
  var used: Int { held.load(ordering: .relaxed) }

  /// Takes room for so many bytes, if there is enough.
  func take(_ bytes: Int) -> Bool {
    var current = held.load(ordering: .relaxed)
    while current <= limit - bytes {
      let (exchanged, original) = held.weakCompareExchange(
        expected: current, desired: current + bytes, ordering: .relaxed)
      if exchanged {
        memory.add(bytes)
        return true
      }
      current = original
    }
    return false
  }

  func giveBack(_ bytes: Int) {
    held.subtract(bytes, ordering: .relaxed)
    memory.add(-bytes)
  }
}
