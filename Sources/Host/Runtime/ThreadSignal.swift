import AdapterAPI
import Glibc
import Synchronization

/// A one-time signal between two threads.
final class ThreadSignal: Sendable {
  private let fd = System.eventFD()
  /// Memory written before the signal is visible after the wait; the descriptor alone does not promise that.
  private let isSignalled = Atomic<Bool>(false)
  deinit { System.close(fd) }

  func signal() {
    isSignalled.store(true, ordering: .releasing)
    var one: UInt64 = 1
    _ = write(fd, &one, 8)
  }

  /// Returns when the signal was given, or `limit` has passed.
  func wait(atMost limit: Duration? = nil) {
    let end = limit.map { Instant(nanoseconds: System.monotonic()) + $0 }
    while !isSignalled.load(ordering: .acquiring) {
      let left = end.map { Int32(clamping: ($0 - Instant(nanoseconds: System.monotonic())).milliseconds) } ?? -1
      if let end, Instant(nanoseconds: System.monotonic()) >= end { return }
      var descriptor = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
      _ = poll(&descriptor, 1, left)
    }
  }
}
