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

  /// What a reader goes by.
  struct View: Sendable {
    var number: UInt64
    /// From then on the upstream shows every write that has ended; never, while one is under way.
    var settledFrom: Instant
  }

  /// - Parameter settle: how many nanoseconds after a write's end the upstream may still show what was before.
  func view(settle: Int64) -> View {
    // The number first: a write that begins after this look moves it, and is noticed by whoever looks again.
    let number = current
    guard underWay.load(ordering: .sequentiallyConsistent) == 0 else {
      return View(number: number, settledFrom: .distantFuture)
    }
    let end = Instant(nanoseconds: lastEnd.load(ordering: .sequentiallyConsistent))
    return View(number: number, settledFrom: end.nanoseconds == .min ? end : end.advanced(byNanoseconds: settle))
  }
}
