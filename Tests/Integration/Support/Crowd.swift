import Foundation
import Synchronization

/// Many callers at once, on threads of their own, until they are told to stop.
final class Crowd: Sendable {
  private struct State {
    var isOver = false
    var failures: [String] = []
    var sources: [String: Int] = [:]
  }

  private let state = Mutex(State())
  private let group = DispatchGroup()

  /// Each thread keeps that many connections, and has one request under way on each.
  init(_ lab: Lab, threads: Int, connectionsPerThread: Int) {
    for _ in 0..<threads {
      group.enter()
      Thread { [self] in
        defer { group.leave() }
        do {
          let connections = try (0..<connectionsPerThread).map { _ in try lab.connect() }
          let request = Request.make()
          while !state.withLock({ $0.isOver }) {
            for connection in connections { connection.send(request) }
            for connection in connections { note(try connection.receive(within: 15)) }
          }
        } catch {
          state.withLock { $0.failures.append("\(error)") }
        }
      }.start()
    }
  }

  /// Waits until all callers have gone.
  func end() {
    state.withLock { $0.isOver = true }
    group.wait()
  }

  /// What was no 200.
  var failures: [String] { state.withLock { $0.failures } }
  /// Answers by `X-Gateway-Source`.
  var sources: [String: Int] { state.withLock { $0.sources } }
  var answers: Int { sources.values.reduce(0, +) }

  private func note(_ answer: Answer) {
    state.withLock { state in
      if answer.status != 200 { state.failures.append("\(answer.status) \(answer.text)") }
      state.sources[answer["X-Gateway-Source"] ?? "none", default: 0] += 1
    }
  }
}
