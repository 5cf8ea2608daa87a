import Foundation
import Synchronization
import Testing

/// Runs test bodies that block on threads of their own, a few tests at a time. So they do not starve tests that await,
/// and a test that has begun is not delayed for a minute between two of its steps.
public struct Blocking: SuiteTrait, TestTrait, TestScoping {
  public var isRecursive: Bool { true }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Blocking.places.take()
    defer { Blocking.places.giveBack() }
    try await withTaskExecutorPreference(Blocking.threads) { try await function() }
  }

  private static let count = 8
  private static let places = Places(count)
  private static let threads = ThreadPool(count: count)

  private final class Places: Sendable {
    private struct State {
      var free: Int
      var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    func take() async {
      await withCheckedContinuation { continuation in
        let isFree = state.withLock { state in
          guard state.free > 0 else {
            state.waiting.append(continuation)
            return false
          }
          state.free -= 1
          return true
        }
        if isFree { continuation.resume() }
      }
    }

    func giveBack() {
      let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
        guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
        state.free += 1
        return nil
      }
      next?.resume()
    }
  }

  private final class ThreadPool: TaskExecutor, @unchecked Sendable {
    // `jobs` is accessed only while `condition` is locked.
    private let condition = NSCondition()
    private var jobs: [UnownedJob] = []

    init(count: Int) {
      for _ in 0..<count { Thread { [self] in run() }.start() }
    }

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      condition.withLock {
        jobs.append(job)
        condition.signal()
      }
    }

    private func run() -> Never {
      while true {
        let job = condition.withLock {
          while jobs.isEmpty { condition.wait() }
          return jobs.removeFirst()
        }
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
    }
  }
}

extension Trait where Self == Blocking {
  /// For tests that block their thread.
  public static var blocking: Blocking { Blocking() }
}
