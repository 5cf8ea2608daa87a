import AdapterAPI
import Glibc
import Synchronization

/// One event loop for a command that waits for the network or a database.
enum CommandLoop {
  /// How long one step of a command may take.
  static let patience = Duration.seconds(10)

  static let storeTimeout = StoreError(
    .unavailable, "The store did not answer within \(TimeSpan.text(patience.milliseconds)).")

  /// Runs the work on a loop of its own, and waits for it on this thread.
  static func run<Value: Sendable>(_ work: @escaping @Sendable (EventLoopGroup) async -> Value) -> Value {
    // A socket whose other end is gone answers EPIPE instead.
    signal(SIGPIPE, SIG_IGN)
    let group = EventLoopGroup(count: 1)
    group.start()
    defer { group.stop() }
    let result = Handed<Value>()
    Task(executorPreference: group.loops[0]) { result.give(await work(group)) }
    return result.take()
  }

  /// The work's value; nil when it takes longer than that. Then it is cancelled and left alone. Call it on the loop.
  static func withPatience<Value: Sendable>(
    _ patience: Duration = patience, on loop: EventLoop, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    let wait = LoopWait<Value>(loop: loop)
    let bound = LoopBound(wait, on: loop)
    let task = Task(executorPreference: loop) {
      let value = await work()
      loop.post { bound.value.end(.value(value)) }
    }
    guard case .value(let value) = await wait.wait(until: Instant(nanoseconds: System.monotonic()) + patience) else {
      task.cancel()
      return nil
    }
    return value
  }

  /// A value that a task gives and a thread waits for.
  private final class Handed<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let isGiven = ThreadSignal()

    func give(_ value: Value) {
      self.value.withLock { $0 = value }
      isGiven.signal()
    }

    func take() -> Value {
      while true {
        isGiven.wait()
        if let value = value.withLock({ $0 }) { return value }
      }
    }
  }
}
