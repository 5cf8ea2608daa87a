import AdapterAPI
import Glibc
import Synchronization

/// One event loop for a command that waits for the network or a database.
enum CommandLoop {
  /// The time that one step of a command may take.
  static let stepTimeout = Duration.seconds(10)

  /// The descriptors for the loop, a store and a connection to an upstream.
  private static let descriptors = 32

  static let storeTimeout = StoreError(
    .unavailable, "The store did not respond within \(TimeSpan.text(stepTimeout.milliseconds)).")

  /// Runs `work` on an event loop of its own, and blocks this thread until it is done.
  static func run<Value: Sendable>(_ work: @escaping @Sendable (EventLoopGroup) async -> Value) -> Value {
    guard System.canOpen(descriptors) else {
      Terminal.error("pointgate: \(System.tooFewDescriptors)\n")
      _exit(3)
    }
    let group = EventLoopGroup(count: 1)
    group.start()
    defer { group.stop() }
    let result = Mutex<Value?>(nil)
    let isDone = ThreadSignal()
    Task(executorPreference: group.loops[0]) {
      let value = await work(group)
      result.withLock { $0 = value }
      isDone.signal()
    }
    while true {
      isDone.wait()
      if let value = result.withLock({ $0 }) { return value }
    }
  }

  /// Returns the value of `work`. When it takes longer than `timeout`, cancels it and returns nil without waiting for its end.
  /// To be called on the loop.
  static func withTimeout<Value: Sendable>(
    _ timeout: Duration = stepTimeout, on loop: EventLoop, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    let wait = LoopWait<Value>(loop: loop)
    let bound = LoopBound(wait, on: loop)
    let task = Task(executorPreference: loop) {
      let value = await work()
      loop.post { bound.value.end(.value(value)) }
    }
    guard case .value(let value) = await wait.wait(until: Instant(nanoseconds: System.monotonic()) + timeout) else {
      task.cancel()
      return nil
    }
    return value
  }
}
