import AdapterAPI

/// A concurrency limit that all event loops share: a fixed number of permits, granted by priority.
protocol PermitPool: AnyObject, Sendable {
  /// The number of permits that are taken.
  var inUse: Int { get }
  /// No permit is free.
  var isUsedUp: Bool { get }
  /// The number of requests that wait for a permit.
  var waiters: Int { get }

  /// Takes a permit if one is free for this priority and no request of the same or a higher priority waits.
  func tryAcquire(_ priority: Priority) -> Bool

  /// Waits for a permit.
  ///
  /// - Parameters:
  ///   - loop: The caller's own event loop.
  ///   - bound: The most requests that may wait. In a full queue, the youngest waiter of the lowest priority is evicted for a
  ///     waiter of higher priority.
  ///   - whenWaiting: Called when no permit is free, once a permit that is returned would be granted to this waiter.
  func acquire(
    _ priority: Priority, on loop: EventLoop, until deadline: Instant, bound: Int, whenWaiting: () -> Void
  ) async -> PermitGrant

  /// Returns a permit that was taken for this priority, and grants it to the first waiter.
  func release(_ priority: Priority)
}

/// The outcome of waiting for a permit.
enum PermitGrant: Sendable {
  case granted
  /// The queue was full, or a waiter of higher priority took the place in it.
  case full
  case timedOut
  case cancelled
}
