import Foundation
import Testing

/// Runs test bodies that block on threads of their own, a few at a time, so that they neither starve the tests that
/// await nor the machine.
public struct Blocking: SuiteTrait, TestTrait, TestScoping {
  public var isRecursive: Bool { true }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withTaskExecutorPreference(Blocking.threads) { try await function() }
  }

  private static let threads = ThreadPool(count: 6)

  private final class ThreadPool: TaskExecutor, @unchecked Sendable {
    // `jobs` is touched with `condition` locked only.
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
  /// The test blocks its thread.
  public static var blocking: Blocking { Blocking() }
}
