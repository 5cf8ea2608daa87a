import AdapterAPI
import Synchronization

/// Counts the writes to one upstream, so that a reader never gets a response from before a write that it may know of.
///
/// The number moves when a write starts and when it ends. A caller that has seen a write's response sees the number that the write's
/// end left behind, and so recognizes every older response. It belongs to the upstream, not to a configuration, and outlives a reload.
final class WriteEpoch: Sendable {
  private let number = Atomic<UInt64>(0)
  private let inProgress = Atomic<Int>(0)
  /// The end of the last write, in monotonic nanoseconds.
  private let lastEnd = Atomic<Int64>(.min)

  // Sequentially consistent throughout: a reader relies on the order of the three.

  var current: UInt64 { number.load(ordering: .sequentiallyConsistent) }

  /// Must be called before the first byte of a write may leave.
  func writeBegins() {
    inProgress.add(1, ordering: .sequentiallyConsistent)
    number.add(1, ordering: .sequentiallyConsistent)
  }

  /// Must be called when the write has its response, or will never have one, before the caller is told. The clock is read here, where
  /// the time can't be too early.
  func writeEnds(at now: Instant = Instant(nanoseconds: System.monotonic())) {
    raiseLastEnd(to: now.nanoseconds)
    inProgress.subtract(1, ordering: .sequentiallyConsistent)
    number.add(1, ordering: .sequentiallyConsistent)
  }

  /// Two writes may end at once on two loops; the later end counts.
  private func raiseLastEnd(to time: Int64) {
    var seen = lastEnd.load(ordering: .sequentiallyConsistent)
    while seen < time {
      let (exchanged, original) = lastEnd.weakCompareExchange(
        expected: seen, desired: time, ordering: .sequentiallyConsistent)
      if exchanged { return }
      seen = original
    }
  }

  /// The state of the writes when a reader comes in.
  struct View: Sendable {
    var number: UInt64
    /// From this time on the upstream shows every write that has ended. `distantFuture` while a write is in progress.
    var settledFrom: Instant
  }

  /// - Parameter settle: how long after a write's end the upstream may still show the value before, in nanoseconds.
  func view(settle: Int64) -> View {
    // The number is read first: a write that begins after this moves it, and the next view shows that.
    let number = current
    guard inProgress.load(ordering: .sequentiallyConsistent) == 0 else {
      return View(number: number, settledFrom: .distantFuture)
    }
    let end = Instant(nanoseconds: lastEnd.load(ordering: .sequentiallyConsistent))
    return View(number: number, settledFrom: end.nanoseconds == .min ? end : end.advanced(byNanoseconds: settle))
  }
}
