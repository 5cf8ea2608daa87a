import AdapterAPI
import Synchronization

/// The state that `/readyz` reports: whether this process should get requests, and the reasons why it is degraded. Used on any
/// thread.
///
/// The process is not ready only while it starts and drains. A fault of an upstream or of the database makes it `degraded`, which
/// still takes requests, because restarting this process would not help.
final class Health: Sendable {
  enum Status: String, Sendable { case starting, ready, degraded, draining }

  struct Reason: Sendable, Equatable {
    /// `store`, `config`, or an adapter as `adapter:main`.
    let component: String
    /// The machine-readable code of the fault: `unreachable`, `no_token` …
    let code: String
    /// Milliseconds since the epoch.
    let since: Int64
  }

  private enum Phase { case starting, running, draining }

  fileprivate struct Entry {
    let reporter: Int
    let reason: Reason
  }

  private struct State {
    var phase = Phase.starting
    var entries: [Entry] = []
    var lastReporter = 0
    /// The reporters that have not ended.
    var reporters: Set<Int> = [0]
  }

  private let state = Mutex(State())
  private let wall: @Sendable () -> Int64

  init(wall: @escaping @Sendable () -> Int64 = { System.wall() }) { self.wall = wall }

  /// Records that connections are accepted.
  func start() { state.withLock { if $0.phase == .starting { $0.phase = .running } } }

  /// Records that the process drains. This is final.
  func drain() { state.withLock { $0.phase = .draining } }

  /// Adds a reason. A reason that is already there keeps its time.
  func set(_ component: String, _ code: String) { set(component, code, by: 0) }

  /// Removes a reason, or without a code all reasons of the component.
  func clear(_ component: String, _ code: String? = nil) { clear(component, code, by: 0) }

  var current: (status: Status, reasons: [Reason]) {
    state.withLock { state in
      // A part that replaces another one may report the same reason.
      var reasons: [Reason] = []
      for reason in state.entries.map(\.reason)
      where !reasons.contains(where: { $0.component == reason.component && $0.code == reason.code }) {
        reasons.append(reason)
      }
      let status: Status =
        switch state.phase {
        case .starting: .starting
        case .draining: .draining
        case .running: reasons.isEmpty ? .ready : .degraded
        }
      return (status, reasons)
    }
  }

  // MARK: Reporters

  /// Sets and removes the reasons of one part of a component, which a reload may replace while its last calls are under way.
  struct Reporter: Sendable {
    fileprivate let health: Health
    fileprivate let component: String
    fileprivate let number: Int

    func set(_ code: String) { health.set(component, code, by: number) }
    func clear(_ code: String) { health.clear(component, code, by: number) }
    /// Removes the reporter's reasons. What it reports later is ignored.
    func end() { health.end(number) }
  }

  func reporter(of component: String) -> Reporter {
    let number = state.withLock { state in
      state.lastReporter += 1
      state.reporters.insert(state.lastReporter)
      return state.lastReporter
    }
    return Reporter(health: self, component: component, number: number)
  }

  private func set(_ component: String, _ code: String, by reporter: Int) {
    let now = wall()
    state.withLock { state in
      guard state.reporters.contains(reporter), !state.entries.contains(where: { $0.isOf(reporter, component, code) })
      else { return }
      state.entries.append(
        Entry(reporter: reporter, reason: Reason(component: component, code: code, since: now)))
    }
  }

  private func clear(_ component: String, _ code: String?, by reporter: Int) {
    state.withLock { $0.entries.removeAll { $0.isOf(reporter, component, code ?? $0.reason.code) } }
  }

  private func end(_ reporter: Int) {
    state.withLock { state in
      state.reporters.remove(reporter)
      state.entries.removeAll { $0.reporter == reporter }
    }
  }

  /// Returns the response to `GET /readyz`: its HTTP status and its JSON body.
  func readyz() -> (status: Int, body: [UInt8]) {
    let (status, reasons) = current
    var json = JSONWriter()
    json.beginObject()
    json.key("status")
    json.string(status.rawValue)
    json.key("reasons")
    json.beginArray()
    for reason in reasons {
      var since: [UInt8] = []
      Timestamp.appendRFC3339(reason.since, to: &since)
      json.beginObject()
      json.key("component")
      json.string(reason.component)
      json.key("code")
      json.string(reason.code)
      json.key("since")
      json.string(String(decoding: since, as: UTF8.self))
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return (status == .ready || status == .degraded ? 200 : 503, json.bytes)
  }
}

extension Health.Entry {
  fileprivate func isOf(_ reporter: Int, _ component: String, _ code: String) -> Bool {
    self.reporter == reporter && reason.component == component && reason.code == code
  }
}
