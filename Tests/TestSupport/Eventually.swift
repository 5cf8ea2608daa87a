import Foundation

/// A condition that did not become true in time. Its description names what the test waited for.
public struct NotInTime: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Polls until the condition holds. Blocks the thread.
///
/// - Parameters:
///   - what: what the test waits for, as a noun phrase: "the second call".
///   - seconds: the longest wait.
/// - Throws: `NotInTime`, or what the condition throws.
public func eventually(_ what: String, within seconds: Double = 5, _ condition: () throws -> Bool) throws {
  _ = try firstValue(what, within: seconds) { try condition() ? true : nil }
}

/// Polls until there is a value, and returns it. Blocks the thread.
///
/// - Throws: `NotInTime`, or what the closure throws.
public func firstValue<Value>(
  _ what: String, within seconds: Double = 5, _ value: () throws -> Value?
) throws -> Value {
  let end = MonotonicTime.now + seconds
  while true {
    if let value = try value() { return value }
    guard MonotonicTime.now < end else { throw NotInTime("not within \(seconds) s: \(what)") }
    usleep(5000)
  }
}

/// Polls until the condition holds, and returns whether it did in time. Suspends the task between two polls.
///
/// Use it within `#expect`, whose message shows the condition.
public func eventually(
  within seconds: Double = 30, _ condition: () async throws -> Bool
) async rethrows -> Bool {
  let end = MonotonicTime.now + seconds
  while MonotonicTime.now < end {
    if try await condition() { return true }
    try? await Task.sleep(for: .microseconds(500))
  }
  return try await condition()
}

/// The monotonic clock, in seconds.
public enum MonotonicTime {
  public static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
