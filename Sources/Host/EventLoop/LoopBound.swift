/// Carries a value of a loop through code that must be `Sendable`, such as the closure of a task that runs on that loop.
///
/// `@unchecked Sendable`: the value is reached on its loop's thread only; every access checks it. It may be let go on any thread,
/// so what is carried touches nothing of its loop in `deinit` but atomics.
struct LoopBound<Value>: @unchecked Sendable {
  let loop: EventLoop
  private let held: Value

  init(_ value: Value, on loop: EventLoop) {
    self.loop = loop
    self.held = value
  }

  var value: Value {
    loop.assertOnLoop()
    return held
  }
}
