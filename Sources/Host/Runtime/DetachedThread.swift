import Glibc

/// Creates threads for blocking calls.
enum DetachedThread {
  /// Runs `body` on a new thread that ends with it and can't be joined.
  ///
  /// - Returns: 0, or the error number of pthread_create(3): a limit on threads, or no memory.
  static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let argument = Unmanaged.passRetained(Body(body))
    // The main thread handles signals. A thread inherits the signal mask of its creator.
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
