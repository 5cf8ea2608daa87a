import CLinux
import Glibc

/// The signals of the process.
///
/// The first process of a container has no default effects of signals: the kernel drops a signal without a handler (pid_namespaces(7)).
/// So nothing here relies on them.
enum ProcessSignals {
  /// The signals that `run` waits for.
  private static let awaited = [SIGHUP, SIGINT, SIGTERM]

  /// Signals that no part of the program uses, and whose default effect would end or stop it without a drain. Other programs send
  /// them by their own conventions, such as log rotation. When SIGPIPE and SIGXFSZ are ignored, the write returns an error.
  private static let unused = [
    SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGTTIN, SIGTTOU,
  ]

  /// Ignores the unused signals, and blocks the awaited ones in this thread and in those that it creates. To be called first of
  /// all, so that no signal ends the process while it starts.
  static func prepare() {
    for number in unused + Array(__libc_current_sigrtmin()...__libc_current_sigrtmax()) { ignore(number) }
    set(SIG_BLOCK)
  }

  /// Gives the awaited signals their default effect again, for commands that end by themselves.
  static func release() { set(SIG_UNBLOCK) }

  /// Waits for the next of the awaited signals; returns nil when `seconds` are over first.
  static func next(atMost seconds: Int?) -> Int32? {
    var signals = awaitedSet
    while true {
      if let seconds {
        var time = timespec(tv_sec: seconds, tv_nsec: 0)
        let number = sigtimedwait(&signals, nil, &time)
        if number > 0 { return number }
        if errno == EAGAIN { return nil }
      } else {
        var number: Int32 = 0
        if sigwait(&signals, &number) == 0 { return number }
      }
    }
  }

  /// Makes the next SIGINT or SIGTERM end the process at once, with the exit status that a shell shows for that signal.
  static func endAtNext() {
    var ends = sigset_t()
    sigemptyset(&ends)
    for number in [SIGINT, SIGTERM] {
      signal(number) { _exit(128 + $0) }
      sigaddset(&ends, number)
    }
    pthread_sigmask(SIG_UNBLOCK, &ends, nil)
  }

  /// Ignores the signal, unless a preloaded library, such as a profiler, handles it.
  private static func ignore(_ number: Int32) {
    var present = sigaction()
    guard sigaction(number, nil, &present) == 0, present.__sigaction_handler.sa_handler == nil else { return }
    signal(number, SIG_IGN)
  }

  private static var awaitedSet: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in awaited { sigaddset(&set, number) }
    return set
  }

  private static func set(_ how: Int32) {
    var signals = awaitedSet
    pthread_sigmask(how, &signals, nil)
  }
}
