import AdapterAPI

/// One task's wait, on its loop, for an outcome, a deadline or the task's cancellation, whichever comes first.
///
/// Touched by its loop's thread only. Used once, or again and again when it comes from a pool (`LoopWaitPool`).
final class LoopWait<Value: Sendable>: LoopObject {
  enum Outcome: Sendable {
    case value(Value)
    case timedOut
    case cancelled
  }

  /// Counts the uses, so that an outcome that is meant for one use never reaches the next.
  private(set) var use = 0
  private var continuation: UnsafeContinuation<Outcome, Never>?
  private var outcome: Outcome?
  /// Stays in the loop's table between its uses, with the timer that it has there: then a request leaves no timer behind.
  private let isPooled: Bool

  init(loop: EventLoop, isPooled: Bool = false) {
    self.isPooled = isPooled
    super.init(loop: loop)
    if isPooled { loop.add(self) }
  }

  /// The wait has its outcome, whether or not the task has begun to wait.
  var isOver: Bool { outcome != nil }

  /// Waits. Once for each use, on the loop's thread.
  func wait(until deadline: Instant, use: Int = 0) async -> Outcome {
    if let outcome { return outcome }
    let bound = LoopBound(self, on: loop)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        if let outcome { return continuation.resume(returning: outcome) }
        self.continuation = continuation
        self.deadline = deadline
        if !isPooled { loop.add(self) }
      }
    } onCancel: {
      bound.loop.execute { bound.value.end(.cancelled, use: use) }
    }
  }

  override func deadlineReached() { end(.timedOut, use: use) }

  /// Sets the outcome and resumes the task. The first call of a use counts.
  func end(_ outcome: Outcome, use: Int = 0) {
    guard use == self.use, self.outcome == nil else { return }
    self.outcome = outcome
    deadline = nil
    if !isPooled { loop.remove(self) }
    let waiting = continuation
    continuation = nil
    waiting?.resume(returning: outcome)
  }

  fileprivate func reset() {
    use += 1
    outcome = nil
    deadline = nil
  }
}

/// A loop's waits for reuse. Touched by its loop's thread only.
final class LoopWaitPool<Value: Sendable> {
  let loop: EventLoop
  private var free: [LoopWait<Value>] = []
  private static var maximum: Int { 256 }

  init(loop: EventLoop) { self.loop = loop }

  func take() -> LoopWait<Value> { free.popLast() ?? LoopWait(loop: loop, isPooled: true) }

  func giveBack(_ wait: LoopWait<Value>) {
    wait.reset()
    if free.count < Self.maximum { free.append(wait) } else { loop.remove(wait) }
  }

  func removeAll() {
    for wait in free { loop.remove(wait) }
    free = []
  }
}
