import AdapterAPI
import Glibc

/// A one-time signal between two threads. Needs no descriptor, so that a process that has none left can still drain.
///
/// `@unchecked Sendable`: `isSignalled` is accessed only while `mutex` is held. The two pointers never change.
final class ThreadSignal: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var isSignalled = false

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func signal() {
    pthread_mutex_lock(mutex)
    isSignalled = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Returns when the signal was given, or `limit` (at most a day) has passed.
  func wait(atMost limit: Duration? = nil) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if let limit {
      var end = System.monotonic(after: limit)
      while !isSignalled, pthread_cond_timedwait(condition, mutex, &end) != ETIMEDOUT {}
    } else {
      while !isSignalled { pthread_cond_wait(condition, mutex) }
    }
  }
}
