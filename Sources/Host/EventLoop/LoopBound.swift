/// Carries a value of a loop through code that must be `Sendable`, such as the closure of a task that runs on that loop.
///
/// `@unchecked Sendable`: every access checks that it is on the loop's thread. The value may be released on any thread, so its
/// `deinit` touches nothing of its loop but atomics.
struct LoopBound<Value>: @unchecked Sendable {
  let loop: EventLoop
  private let stored: Value

  init(_ value: Value, on loop: EventLoop) {
    self.loop = loop
    stored = value
  }

  var value: Value {
    loop.assertOnLoop()
    return stored
  }
}
