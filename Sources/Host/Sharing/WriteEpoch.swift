import AdapterAPI
import Synchronization

/// Counts the writes to one upstream, so that no reader is given what was read before a write that he may know of.
///
/// The number moves when a write starts and when it ends. Who has seen a write's answer sees the number that its end left behind,
/// and with it knows every answer that is older. It outlives a reload: it belongs to the upstream, not to a configuration.
final class WriteEpoch: Sendable {
  private let number = Atomic<UInt64>(0)
  private let underWay = Atomic<Int>(0)
  /// Monotonic nanoseconds; of the write that ended last.
  private let lastEnd = Atomic<Int64>(.min)

  // Sequentially consistent throughout: what a reader concludes rests on the order of the three.

  var current: UInt64 { number.load(ordering: .sequentiallyConsistent) }

  /// Before the first byte of a write may leave.
  func writeBegins() {
    underWay.add(1, ordering: .sequentiallyConsistent)
    number.add(1, ordering: .sequentiallyConsistent)
  }

  /// The write has its answer, or never will; before anybody is told. The time is read here, where it can't be too early.
  func writeEnds(at now: Instant = Instant(nanoseconds: System.monotonic())) {
    raiseLastEnd(to: now.nanoseconds)
    underWay.subtract(1, ordering: .sequentiallyConsistent)
    number.add(1, ordering: .sequentiallyConsistent)
  }

  /// Two writes may end at once on two loops; the later one counts.
  private func raiseLastEnd(to time: Int64) {
    var seen = lastEnd.load(ordering: .sequentiallyConsistent)
    while seen < time {
      let (exchanged, original) = lastEnd.weakCompareExchange(
        expected: seen, desired: time, ordering: .sequentiallyConsistent)
      if exchanged { return }
      seen = original
    }
  }

  /// No write is under way, and the last one had ended so many nanoseconds before `moment`: the upstream shows its effect by then.
  ///
  /// Ask after `current` was taken: a write that begins between the two moves the number.
  func isSettled(at moment: Instant, after settle: Int64) -> Bool {
    guard underWay.load(ordering: .sequentiallyConsistent) == 0 else { return false }
    let end = lastEnd.load(ordering: .sequentiallyConsistent)
    if end == .min { return true }
    return Instant(nanoseconds: end).advanced(byNanoseconds: settle) <= moment
  }
}
