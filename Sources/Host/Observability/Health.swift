import Synchronization

/// Whether this process should get requests, and what is not as it should be: what `/readyz` says.
///
/// It fails only while starting and draining. What others are to blame for (an upstream that is down, a database) makes
/// it `degraded`, which still takes requests: restarting this process would not help.
final class Health: Sendable {
  enum Status: String, Sendable { case starting, ready, degraded, draining }

  struct Reason: Sendable, Equatable {
    /// `store`, `config`, or an adapter's name as `adapter:main`.
    let component: String
    /// The word for what is wrong: `unreachable`, `no_token` …
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

  init(wall: @escaping @Sendable () -> Int64 = { Timestamp.wallMilliseconds() }) { self.wall = wall }

  /// Connections are accepted from now on.
  func start() { state.withLock { if $0.phase == .starting { $0.phase = .running } } }

  /// The end has begun; there is no way back.
  func drain() { state.withLock { $0.phase = .draining } }

  /// Something is wrong; said again it keeps its first time.
  func set(_ component: String, _ code: String) {
    let now = wall()
    state.withLock { state in
      guard !state.reasons.contains(where: { $0.component == component && $0.code == code }) else { return }
      state.reasons.append(Reason(component: component, code: code, since: now))
    }
  }

  /// It is well again: that code, or everything of the component.
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

  /// The answer to `GET /readyz`.
  func readyz() -> (status: Int, body: [UInt8]) {
    let (status, reasons) = current
    var body = Array("{\"status\":\"\(status.rawValue)\",\"reasons\":[".utf8)
    for (index, reason) in reasons.enumerated() {
      if index > 0 { body.append(0x2C) }
      body.append(contentsOf: "{\"component\":".utf8)
      Escaping.appendQuoted(reason.component, to: &body)
      body.append(contentsOf: ",\"code\":".utf8)
      Escaping.appendQuoted(reason.code, to: &body)
      body.append(contentsOf: ",\"since\":\"".utf8)
      Timestamp.appendRFC3339(reason.since, to: &body)
      body.append(contentsOf: "\"}".utf8)
    }
    body.append(contentsOf: "]}".utf8)
    return (status == .ready || status == .degraded ? 200 : 503, body)
  }
}
