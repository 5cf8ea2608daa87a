import Foundation
import Synchronization
import TestSupport

/// A WebTalk over a `ScriptedUpstream`: a model with state, for tests of the whole gateway.
///
/// It records the exact bytes of every call. It issues JWT-shaped access tokens with a given life and refresh tokens
/// that work once, and refuses the same calls as the real upstream. Each data call takes the next scripted step;
/// without one the upstream behaves normally.
final class ScriptedWebTalk: Sendable {
  /// A received request.
  struct Call: Sendable {
    enum Kind: String { case authorization, refresh, values, history, set, forceSet, alarms, alarmConfigs, other }
    let kind: Kind
    /// The number of the connection, counted from 0.
    let connection: Int
    let request: TestMessage
    let query: [String: String]
    let time = MonotonicTime.now

    init(_ request: TestMessage, on connection: Int) {
      self.request = request
      self.connection = connection
      let target = request.startLine.components(separatedBy: " ")[1]
      let parts = URLComponents(string: target)
      query = (parts?.queryItems ?? []).reduce(into: [:]) { $0[$1.name] = $1.value }
      kind = Kind(path: parts?.path ?? "", query: query)
    }

    var body: [UInt8] { request.body }
    var text: String { request.head + request.text }
    func all(_ name: String) -> [String] { request.all(name) }
  }

  struct Tokens {
    /// The end of each access token, in seconds since the epoch.
    var access: [String: Double] = [:]
    var live: Set<String> = []
    var used: Set<String> = []
    var reused = 0
    var serial = 0
  }

  struct State {
    var calls: [Call] = []
    var steps: [UpstreamStep] = []
    var everyStep: UpstreamStep?
    var tokenSteps: [UpstreamStep] = []
    var tokenLife = 7200.0
    var tokens = Tokens()
  }

  let state = Mutex(State())
  private let key = Secrets.random(16)
  private let upstream: ScriptedUpstream

  init() throws {
    upstream = try ScriptedUpstream()
    upstream.serve { [weak self] peer in
      while let request = peer.takeRequest(), let self, self.serve(request, of: peer) {}
    }
  }

  /// Closes the listener and all connections.
  func stop() { upstream.stop() }

  var port: UInt16 { upstream.port }
  var url: String { "http://127.0.0.1:\(port)" }

  // MARK: Script

  /// Queues a step for each of the next data calls.
  func script(_ steps: UpstreamStep...) { state.withLock { $0.steps += steps } }

  /// Sets the step of every data call without a queued one; nil restores normal behaviour.
  func always(_ step: UpstreamStep?) { state.withLock { $0.everyStep = step } }

  /// Queues a step for each of the next token calls.
  func scriptTokens(_ steps: UpstreamStep...) { state.withLock { $0.tokenSteps += steps } }

  var tokenLife: Double {
    get { state.withLock { $0.tokenLife } }
    set { state.withLock { $0.tokenLife = newValue } }
  }

  /// Makes the upstream reject all issued access tokens with 301.
  func revokeAccess() {
    state.withLock { state in for token in state.tokens.access.keys { state.tokens.access[token] = 0 } }
  }

  /// Makes the upstream refuse all issued refresh tokens with 305.
  func revokeRefresh() { state.withLock { $0.tokens.live.removeAll() } }

  /// Closes the idle connections and returns their number.
  @discardableResult
  func dropIdle() -> Int {
    let idle = upstream.peers.filter { $0.isIdle }
    for peer in idle { peer.end() }
    return idle.count
  }

  // MARK: Observations

  var calls: [Call] { state.withLock { $0.calls } }
  var dataCalls: [Call] { calls.filter { $0.kind != .authorization && $0.kind != .refresh } }
  func count(_ kinds: Call.Kind...) -> Int { calls.count { kinds.contains($0.kind) } }
  /// The number of issued pairs.
  var pairs: Int { state.withLock { $0.tokens.serial } }
  var tokenCalls: Int { count(.authorization, .refresh) }
  /// The number of calls with a refresh token that had been used before.
  var reusedRefreshTokens: Int { state.withLock { $0.tokens.reused } }
  /// All issued tokens.
  var secrets: [String] { state.withLock { Array($0.tokens.access.keys) + $0.tokens.live + $0.tokens.used } }
  func isAccessToken(_ token: String) -> Bool { state.withLock { $0.tokens.access[token] != nil } }
  /// The gateway closed or reset a connection while a step was running on it.
  var sawDisconnect: Bool { upstream.peers.contains { $0.isGone } }
  /// A connection on which a step is running.
  var busyPeer: UpstreamPeer? { upstream.peers.first { $0.isBusy } }
  /// The bytes that the kernel has accepted, over all connections.
  var sentBytes: Int { upstream.peers.reduce(0) { $0 + $1.sent } }
  func forgetCalls() { state.withLock { $0.calls.removeAll() } }

  // MARK: Normal behaviour

  func respondNormally(_ call: Call) -> [UInt8] {
    switch call.kind {
    case .authorization, .refresh: Wire.message(tokenResponse(call))
    case .other: Wire.message(#"{"code":404,"error":"no such call"}"#, status: "404 Not Found")
    default: Wire.message(refusal(of: call) ?? dataResponse(call))
    }
  }

  private func tokenResponse(_ call: Call) -> String {
    guard call.query["appId"] == Secrets.appID else { return #"{"code":304,"error":"invalid appId"}"# }
    return state.withLock { state in
      if call.kind == .refresh {
        let old = call.query["refreshToken"] ?? ""
        if state.tokens.used.contains(old) { state.tokens.reused += 1 }
        guard state.tokens.live.remove(old) != nil else { return #"{"code":305,"error":"refresh token refused"}"# }
        state.tokens.used.insert(old)
      }
      let pair = grant(&state)
      return #"{"access_token":"\#(pair.access)","refresh_token":"\#(pair.refresh)","token_type":"bearer"}"#
    }
  }

  /// Issues a pair like the real upstream's: an access JWT with `exp`, and a refresh token that works once.
  func grant(_ state: inout State) -> (access: String, refresh: String) {
    let now = Date().timeIntervalSince1970
    state.tokens.serial += 1
    let serial = state.tokens.serial
    let ends = (now + state.tokenLife).rounded(.down)
    let access = JWT.hs256(claims: #"{"jti":\#(serial),"iat":\#(Int(now)),"exp":\#(Int(ends))}"#, key: key)
    let refresh = JWT.hs256(claims: #"{"jti":\#(serial),"kind":"refresh"}"#, key: key)
    state.tokens.access[access] = ends
    state.tokens.live.insert(refresh)
    return (access, refresh)
  }

  /// Returns the real upstream's response to an invalid token; nil when the token is valid.
  func refusal(of call: Call) -> String? {
    let tokens = call.all("Token")
    let ends = tokens.count == 1 ? state.withLock { $0.tokens.access[tokens[0]] } : nil
    guard let ends, call.all("appId") == [Secrets.appID] else {
      return #"{"code":302,"error":"token signature incorrect"}"#
    }
    return ends <= Date().timeIntervalSince1970 ? #"{"code":301,"error":"token expired"}"# : nil
  }

  private func dataResponse(_ call: Call) -> String {
    guard call.kind == .values else { return #"{"code":200,"msg":"ok"}"# }
    let body = (try? JSONSerialization.jsonObject(with: Data(call.body))) as? [String: Any]
    guard let codes = body?["codes"] as? [String] else { return #"{"code":400,"error":"codes missing"}"# }
    return Wire.points(codes)
  }

  /// Serves a request; false when the connection ends.
  private func serve(_ request: TestMessage, of peer: UpstreamPeer) -> Bool {
    let call = Call(request, on: peer.number)
    let step = state.withLock { state -> UpstreamStep in
      state.calls.append(call)
      let isToken = call.kind == .authorization || call.kind == .refresh
      if isToken { return state.tokenSteps.isEmpty ? .normal : state.tokenSteps.removeFirst() }
      return state.steps.isEmpty ? state.everyStep ?? .normal : state.steps.removeFirst()
    }
    return step.run(self, peer, call)
  }
}

extension ScriptedWebTalk.Call.Kind {
  init(path: String, query: [String: String]) {
    let prefix = "/_webtalk/_cur/api/"
    self =
      switch path.hasPrefix(prefix) ? path.dropFirst(prefix.count) : "" {
      case "access_token": query["grant_type"] == "refresh" ? .refresh : .authorization
      case "getCodesVal": .values
      case "getCodesHisVal": .history
      case "setCodesVal": .set
      case "forceSetCodesVal": .forceSet
      case "getHisAlarms": .alarms
      case "getAlarmConfigs": .alarmConfigs
      default: .other
      }
  }
}

/// Messages of the upstream.
enum Wire {
  /// Returns a complete response with its length.
  static func message(
    _ body: String, status: String = "200 OK", fields: String = "", contentType: String = "application/json"
  ) -> [UInt8] {
    Array(
      "HTTP/1.1 \(status)\r\nContent-Type: \(contentType)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        .utf8)
  }

  /// Returns the body of the response to a call for these codes only.
  static func points(_ codes: [String]) -> String {
    let points = codes.map { #"{"pointId":"\#($0)","value":\#(value(of: $0)),"time":"2026-06-21 02:04:07"}"# }
    return #"{"code":200,"msg":"ok","ResultPointObjArr":[\#(points.joined(separator: ","))]}"#
  }

  /// The value of a point, which depends on its name only.
  static func value(of code: String) -> Int { code.utf8.reduce(7) { ($0 * 31 + Int($1)) % 10_007 } }
}
