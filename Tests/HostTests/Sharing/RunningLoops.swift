import Testing

@testable import Host

/// Runs each test with event loops of its own, which its suite finds in `RunningLoops.group`.
struct RunningLoops: SuiteTrait, TestTrait, TestScoping {
  @TaskLocal private static var current: EventLoopGroup?
  let count: Int

  static var group: EventLoopGroup {
    guard let current else { preconditionFailure("The test has no trait '.loops'.") }
    return current
  }

  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withLoops(count) { group in try await Self.$current.withValue(group) { try await function() } }
  }
}

extension Trait where Self == RunningLoops {
  /// For tests that need running event loops.
  static func loops(_ count: Int) -> RunningLoops { RunningLoops(count: count) }
}
