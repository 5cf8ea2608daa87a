import Foundation
import Synchronization
import TestSupport
import Testing

/// Concurrent callers on threads of their own, until `end`.
final class Crowd: Sendable {
  private struct State {
    var isOver = false
    var failures: [String] = []
    var sources: [String: Int] = [:]
  }

  private let state = Mutex(State())
  private let group = DispatchGroup()

  /// Starts the threads. Each one has one request in flight on each of its connections.
  ///
  /// - Parameter isPatient: whether a connection that ends or is refused is opened again instead of being a failure,
  ///   and 503 with `Retry-After` is accepted. For tests that kill the gateway.
  init(_ lab: Lab, threads: Int, connectionsPerThread: Int, isPatient: Bool = false) {
    for _ in 0..<threads {
      group.enter()
      Thread { [self] in
        defer { group.leave() }
        while !state.withLock({ $0.isOver }) {
          do {
            try call(lab, connectionsPerThread, isPatient: isPatient)
          } catch {
            guard isPatient, error as? MessageError == .closed || error is TestSocket.Failure else {
              return state.withLock { $0.failures.append("\(error)") }
            }
            usleep(5000)
          }
        }
      }.start()
    }
  }

  private func call(_ lab: Lab, _ count: Int, isPatient: Bool) throws {
    let connections = try (0..<count).map { _ in try lab.connect() }
    let request = Request.make()
    while !state.withLock({ $0.isOver }) {
      for connection in connections { connection.send(request) }
      for connection in connections { note(try connection.receive(within: 15), isPatient: isPatient) }
    }
  }

  /// Stops all callers and waits for their threads.
  func end() {
    state.withLock { $0.isOver = true }
    group.wait()
  }

  /// Stops all callers and expects that no request failed.
  func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) {
    end()
    #expect(
      failures.isEmpty, "\(failures.count) of \(responses), first: \(failures.first ?? "")",
      sourceLocation: sourceLocation)
  }

  /// The failed requests: status and body.
  var failures: [String] { state.withLock { $0.failures } }
  /// The number of responses by `X-Gateway-Source`.
  var sources: [String: Int] { state.withLock { $0.sources } }
  var responses: Int { sources.values.reduce(0, +) }

  /// Waits for that many further responses, or the first failure.
  func more(_ count: Int, within seconds: Double = 10) throws {
    let goal = responses + count
    try eventually("\(count) more responses", within: seconds) { responses >= goal || !failures.isEmpty }
  }

  private func note(_ response: TestMessage, isPatient: Bool) {
    state.withLock { state in
      let mayRefuse = isPatient && response.status == 503 && response["Retry-After"] != nil
      if response.status != 200, !mayRefuse { state.failures.append("\(response.status) \(response.text)") }
      state.sources[response["X-Gateway-Source"] ?? "none", default: 0] += 1
    }
  }
}
