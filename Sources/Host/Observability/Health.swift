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

  private struct State {
    var phase = Phase.starting
    var reasons: [Reason] = []
  }

  private let state = Mutex(State())
  private let wall: @Sendable () -> Int64

  init(wall: @escaping @Sendable () -> Int64 = { System.wall() }) { self.wall = wall }

  /// Records that connections are accepted.
  func start() { state.withLock { if $0.phase == .starting { $0.phase = .running } } }

  /// Records that the process drains. This is final.
  func drain() { state.withLock { $0.phase = .draining } }

  /// Adds a reason. A reason that is already there keeps its time.
  func set(_ component: String, _ code: String) {
    let now = wall()
    state.withLock { state in
      guard !state.reasons.contains(where: { $0.component == component && $0.code == code }) else { return }
      state.reasons.append(Reason(component: component, code: code, since: now))
    }
  }

  /// Removes a reason, or without a code all reasons of the component.
  func clear(_ component: String, _ code: String? = nil) {
    state.withLock { $0.reasons.removeAll { $0.component == component && (code == nil || $0.code == code) } }
  }

  var current: (status: Status, reasons: [Reason]) {
    state.withLock { state in
      let status: Status =
        switch state.phase {
        case .starting: .starting
        case .draining: .draining
        case .running: state.reasons.isEmpty ? .ready : .degraded
        }
      return (status, state.reasons)
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
