import AdapterAPI
import Foundation
import Synchronization
import Testing

@testable import Host

/// Runs the test with running event loops, and stops them afterwards. The test's work on them must have ended by then.
func withLoops<T>(_ count: Int = 1, _ body: (EventLoopGroup) async throws -> T) async rethrows -> T {
  let group = EventLoopGroup(count: count)
  group.start()
  defer { group.stop() }
  return try await body(group)
}

/// Runs the test with one running event loop, as `withLoops`.
func withLoop<T>(_ body: (EventLoop) async throws -> T) async rethrows -> T {
  try await withLoops { try await body($0.loops[0]) }
}

/// Returns the result of work done on the loop's thread, outside any task.
func onLoop<T: Sendable>(_ loop: EventLoop, _ work: @escaping @Sendable () -> T) async -> T {
  await withUnsafeContinuation { continuation in
    loop.post { continuation.resume(returning: work()) }
  }
}

/// Starts a task that runs on that loop.
func task<T: Sendable>(on loop: EventLoop, _ work: @escaping @Sendable () async -> T) -> Task<T, Never> {
  Task(executorPreference: loop) { await work() }
}

extension LoopWait.Outcome {
  var text: String {
    switch self {
    case .value(let value): "\(value)"
    case .timedOut: "timed out"
    case .cancelled: "cancelled"
    }
  }
}

func inMilliseconds(_ number: Int64) -> Instant {
  Instant(nanoseconds: System.monotonic()) + .milliseconds(number)
}

/// Returns the duration of the work in milliseconds.
func elapsed(_ work: () async throws -> Void) async rethrows -> Int64 {
  let began = System.monotonic()
  try await work()
  return (System.monotonic() - began) / 1_000_000
}

/// A gate at which tasks on loops wait until the test opens it.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var waiting: [LoopBound<LoopWait<Void>>] = []
    var arrived = 0
    var cancelled = 0
  }
  private let state = Mutex(State())

  /// The number of tasks that arrived, and that were cancelled while they waited.
  var arrived: Int { state.withLock { $0.arrived } }
  var cancelled: Int { state.withLock { $0.cancelled } }

  /// Waits on the loop on which the task runs; false when the task was cancelled first.
  @discardableResult
  func pass(on loop: EventLoop) async -> Bool {
    let wait = LoopWait<Void>(loop: loop)
    let bound = LoopBound(wait, on: loop)
    let isOpen = state.withLock { state in
      state.arrived += 1
      state.waiting.append(bound)
      return state.isOpen
    }
    if isOpen { return true }
    if case .value = await wait.wait(until: .distantFuture) { return true }
    state.withLock { $0.cancelled += 1 }
    return false
  }

  /// Tasks that arrive from now on wait again.
  func close() { state.withLock { $0.isOpen = false } }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for bound in waiting { bound.loop.post { bound.value.end(.value(())) } }
  }
}

/// A list to which several threads append.
final class Collected<Element: Sendable>: Sendable {
  private let list = Mutex<[Element]>([])
  func add(_ element: Element) { list.withLock { $0.append(element) } }
  var all: [Element] { list.withLock { $0 } }
  var count: Int { list.withLock { $0.count } }
}

/// The number of open descriptors of this process.
func openDescriptors() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? -1 }
