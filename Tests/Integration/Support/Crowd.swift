import Foundation
import Synchronization
import TestSupport

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
  ///
  /// - Parameter isPatient: a connection that ends or is refused is no failure, but opened again: the gateway is killed
  ///   on purpose. And 503 with `Retry-After` is an answer.
  init(_ lab: Lab, threads: Int, connectionsPerThread: Int, isPatient: Bool = false) {
    for _ in 0..<threads {
      group.enter()
      Thread { [self] in
        defer { group.leave() }
        while !state.withLock({ $0.isOver }) {
          do {
            try call(lab, connectionsPerThread, isPatient: isPatient)
          } catch {
            guard isPatient, error as? RawConnection.Trouble == .closed || error is TestSocket.Failure else {
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

  /// Waits for that many more answers, or the first failure.
  func more(_ count: Int, within seconds: Double = 10) throws {
    let goal = answers + count
    try eventually("\(count) more answers", within: seconds) { answers >= goal || !failures.isEmpty }
  }

  private func note(_ answer: Answer, isPatient: Bool) {
    state.withLock { state in
      let mayRefuse = isPatient && answer.status == 503 && answer["Retry-After"] != nil
      if answer.status != 200, !mayRefuse { state.failures.append("\(answer.status) \(answer.text)") }
      state.sources[answer["X-Gateway-Source"] ?? "none", default: 0] += 1
    }
  }
}
