import Glibc

/// Makes the threads on which a store's blocking calls are done.
enum DetachedThread {
  /// Runs `body` on a new thread, which ends with it; nobody waits for it.
  ///
  /// - Returns: 0, or why there is no thread (limits on threads, no memory).
  static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let argument = Unmanaged.passRetained(Body(body))
    // Signals are the main thread's: a thread inherits the mask of the one that makes it.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument.toOpaque())
    guard status == 0 else {
      argument.release()
      return status
    }
    pthread_detach(thread)
    return 0
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
