import AdapterAPI
import Glibc

/// Wakes a thread that waits in poll(2). Stays raised until it is cleared.
final class PostgresSignal: Sendable {
  let descriptor: Int32

  init() { descriptor = System.eventFD() }

  deinit { System.close(descriptor) }

  func raise() {
    var one: UInt64 = 1
    // EAGAIN: the counter is at its maximum, so the signal is raised.
    _ = write(descriptor, &one, 8)
  }

  func clear() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
  }

  /// Waits until the signal is raised.
  ///
  /// - Returns: false when the deadline came first.
  func wait(until deadline: Instant) -> Bool {
    var entries = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    return Self.poll(&entries, until: deadline)
  }

  /// Calls poll(2) with a deadline.
  ///
  /// - Returns: false when the deadline came first.
  static func poll(_ entries: inout [pollfd], until deadline: Instant) -> Bool {
    while true {
      let left = deadline.nanoseconds.subtractingReportingOverflow(System.monotonic())
      let nanoseconds = left.overflow ? .max : left.partialValue
      // Rounded up: waking early would make a busy loop of the last millisecond.
      let milliseconds = nanoseconds <= 0 ? 0 : Int32(clamping: nanoseconds / 1_000_000 + 1)
      let count = Glibc.poll(&entries, nfds_t(entries.count), milliseconds)
      if count > 0 { return true }
      if count == 0, System.monotonic() >= deadline.nanoseconds { return false }
      if count < 0, errno != EINTR, errno != EAGAIN { return false }
    }
  }
}

extension Instant {
  static var current: Instant { Instant(nanoseconds: System.monotonic()) }
}
