import AdapterAPI

/// One task's wait on its loop for a value, a deadline or its own cancellation, whichever comes first.
final class LoopWait<Value: Sendable>: LoopObject {
  enum Outcome: Sendable {
    case value(Value)
    case timedOut
    case cancelled
  }

  private var continuation: UnsafeContinuation<Outcome, Never>?
  private var outcome: Outcome?

  /// The wait has its outcome, whether or not the task has begun to wait.
  var isOver: Bool { outcome != nil }

  /// Waits for the outcome. Call it once, on the loop.
  func wait(until deadline: Instant) async -> Outcome {
    let loop = self.loop
    let bound = LoopBound(self, on: loop)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        if let outcome { return continuation.resume(returning: outcome) }
        self.continuation = continuation
        self.deadline = deadline
        loop.add(self)
      }
    } onCancel: {
      loop.execute { bound.value.end(.cancelled) }
    }
  }

  override func deadlineReached() { end(.timedOut) }

  /// Ends the wait. Only the first call has an effect.
  func end(_ outcome: Outcome) {
    guard self.outcome == nil else { return }
    self.outcome = outcome
    deadline = nil
    loop.remove(self)
    continuation?.resume(returning: outcome)
    continuation = nil
  }
}
