import Foundation

/// A condition that did not come true in time.
struct NotWithin: Error, CustomStringConvertible {
  let description: String
}

/// Waits until the condition holds, and says what did not happen when it takes too long.
func eventually(_ what: String, within seconds: Double = 5, _ condition: () throws -> Bool) throws {
  _ = try firstValue(what, within: seconds) { try condition() ? true : nil }
}

/// Waits until there is a value. The only place where a test sleeps.
func firstValue<T>(_ what: String, within seconds: Double = 5, _ value: () throws -> T?) throws -> T {
  let end = MonotonicTime.now + seconds
  while true {
    if let value = try value() { return value }
    guard MonotonicTime.now < end else { throw NotWithin(description: "not within \(seconds) s: \(what)") }
    usleep(5000)
  }
}

/// Seconds on the monotonic clock.
enum MonotonicTime {
  static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
