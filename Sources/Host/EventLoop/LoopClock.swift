import AdapterAPI

/// The real clock. A task sleeps with a timer of the loop on which it runs.
struct LoopClock: GatewayClock {
  /// The loop for tasks that run on no loop.
  let home: EventLoop

  func now() -> Instant { Instant(nanoseconds: System.monotonic()) }
  func wall() -> Int64 { System.wall() }

  func sleep(until deadline: Instant) async throws {
    let loop = EventLoop.current ?? home
    if loop.isCurrent {
      _ = await LoopWait<Never>(loop: loop).wait(until: deadline)
    } else {
      await withTaskExecutorPreference(loop) { _ = await LoopWait<Never>(loop: loop).wait(until: deadline) }
    }
    try Task.checkCancellation()
  }
}
