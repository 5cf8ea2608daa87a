import AdapterAPI

/// One request's wait, on its loop, for a flight to land, its own deadline or its cancellation.
///
/// Kept for the next one when it is over, with its place in the loop's table and the timer that stands there: a request leaves no
/// timer behind that would come up half a minute later. `use` counts, so that what is meant for one never reaches the next. Touched
/// by its loop's thread only.
final class FlightWait: LoopObject {
  enum Outcome: Sendable {
    case landed(Landing)
    case timedOut
    case cancelled
  }

  private(set) var use = 0
  private var continuation: UnsafeContinuation<Outcome, Never>?
  private var outcome: Outcome?

  /// Waits. Once for each use.
  func wait(_ use: Int, until deadline: Instant) async -> Outcome {
    if let outcome { return outcome }
    let bound = LoopBound(self, on: loop)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        if let outcome { return continuation.resume(returning: outcome) }
        self.continuation = continuation
        self.deadline = deadline
      }
    } onCancel: {
      bound.loop.execute { bound.value.end(.cancelled, use) }
    }
  }

  override func deadlineReached() { end(.timedOut, use) }

  /// The first call of a use counts.
  func end(_ outcome: Outcome, _ use: Int) {
    guard use == self.use, self.outcome == nil else { return }
    self.outcome = outcome
    deadline = nil
    let waiting = continuation
    continuation = nil
    waiting?.resume(returning: outcome)
  }

  fileprivate func forget() {
    use += 1
    outcome = nil
    deadline = nil
  }
}

/// A loop's waits that are not in use. Touched by its loop's thread only.
final class FlightWaits {
  let loop: EventLoop
  private var free: [FlightWait] = []
  private static let most = 256

  init(loop: EventLoop) { self.loop = loop }

  func take() -> FlightWait {
    if let wait = free.popLast() { return wait }
    let wait = FlightWait(loop: loop)
    loop.add(wait)
    return wait
  }

  func giveBack(_ wait: FlightWait) {
    wait.forget()
    if free.count < FlightWaits.most { free.append(wait) } else { loop.remove(wait) }
  }

  func removeAll() {
    for wait in free { loop.remove(wait) }
    free = []
  }
}
