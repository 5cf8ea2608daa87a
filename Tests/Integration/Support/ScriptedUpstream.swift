import Foundation
import Synchronization
import TestSupport

/// A WebTalk upstream on raw TCP that behaves as it is told.
///
/// It keeps the exact bytes of every call, hands out JWT-shaped access tokens with a chosen life and refresh tokens
/// that are good once, refuses what the real one refuses, and misbehaves by script: each data call takes the next step,
/// then it is normal again.
final class ScriptedUpstream: Sendable {
  /// One request as it arrived.
  struct Call: Sendable {
    enum Kind: String { case authorization, refresh, values, history, set, forceSet, alarms, alarmConfigs, other }
    let kind: Kind
    /// Counts accepted connections from 1.
    let connection: Int
    /// How many requests that connection had before.
    let precedingOnConnection: Int
    let head: String
    let body: [UInt8]
    let query: [String: String]
    let fields: [(name: String, value: String)]
    let time = MonotonicTime.now

    func all(_ name: String) -> [String] { fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value) }
    var text: String { head + String(decoding: body, as: UTF8.self) }
  }

  struct Tokens {
    /// Access token → when it ends, seconds since the epoch.
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
    var peers: [UpstreamPeer] = []
    var isStopped = false
  }

  let state = Mutex(State())
  let port: UInt16
  private let key = Secrets.random(16)
  private let listener: TestSocket

  init() throws {
    listener = try TestSocket.listening()
    port = listener.port
    let listener = listener
    Thread { [weak self] in
      while let socket = listener.accept() {
        guard let self else { return }
        self.serve(socket)
      }
    }.start()
  }

  deinit { stop() }

  /// Closes everything; nothing listens on the port any more.
  func stop() {
    let peers = state.withLock { state in
      state.isStopped = true
      return state.peers
    }
    listener.shutDown()
    for peer in peers { peer.end() }
  }

  var url: String { "http://127.0.0.1:\(port)" }

  // MARK: Script

  /// The next data calls take these steps, one each.
  func script(_ steps: UpstreamStep...) { state.withLock { $0.steps += steps } }

  /// Every data call takes this step; nil: normal again.
  func always(_ step: UpstreamStep?) { state.withLock { $0.everyStep = step } }

  /// The next token calls take these steps.
  func scriptTokens(_ steps: UpstreamStep...) { state.withLock { $0.tokenSteps += steps } }

  var tokenLife: Double {
    get { state.withLock { $0.tokenLife } }
    set { state.withLock { $0.tokenLife = newValue } }
  }

  /// Every access token so far is refused with 301 from now on.
  func revokeAccess() {
    state.withLock { state in for token in state.tokens.access.keys { state.tokens.access[token] = 0 } }
  }

  /// Every refresh token so far is refused with 305 from now on.
  func revokeRefresh() { state.withLock { $0.tokens.live.removeAll() } }

  /// Closes the kept-alive connections that wait for a request; how many there were.
  @discardableResult
  func dropIdle() -> Int {
    let idle = state.withLock { $0.peers.filter { $0.isIdle } }
    for peer in idle { peer.end() }
    return idle.count
  }

  // MARK: What was seen

  var calls: [Call] { state.withLock { $0.calls } }
  var dataCalls: [Call] { calls.filter { $0.kind != .authorization && $0.kind != .refresh } }
  func count(_ kinds: Call.Kind...) -> Int { calls.count { kinds.contains($0.kind) } }
  /// How many pairs were handed out.
  var pairs: Int { state.withLock { $0.tokens.serial } }
  var tokenCalls: Int { count(.authorization, .refresh) }
  /// How often a refresh token was shown that had been used before.
  var reusedRefreshTokens: Int { state.withLock { $0.tokens.reused } }
  /// Every token that was ever handed out.
  var secrets: [String] { state.withLock { Array($0.tokens.access.keys) + $0.tokens.live + $0.tokens.used } }
  func isAccessToken(_ token: String) -> Bool { state.withLock { $0.tokens.access[token] != nil } }
  /// The gateway closed or reset a connection while a step was running on it.
  var sawDisconnect: Bool { state.withLock { state in state.peers.contains { $0.isGone } } }
  /// A connection on which a step is running.
  var busyPeer: UpstreamPeer? { state.withLock { state in state.peers.first { $0.isBusy } } }
  /// What the kernel has taken, over all connections.
  var sentBytes: Int { state.withLock { $0.peers.reduce(0) { $0 + $1.sent } } }
  func forgetCalls() { state.withLock { $0.calls.removeAll() } }

  // MARK: Normal behaviour

  func answerNormally(_ call: Call) -> [UInt8] {
    switch call.kind {
    case .authorization, .refresh: Wire.message(answerToken(call))
    case .other: Wire.message(#"{"code":404,"error":"no such call"}"#, status: "404 Not Found")
    default: Wire.message(refusal(of: call) ?? answerData(call))
    }
  }

  private func answerToken(_ call: Call) -> String {
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

  /// A new pair, as the real upstream gives it: an access JWT with `exp`, and a refresh token that is good once.
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

  /// What the real one says to a token that it does not take; nil when it takes it.
  func refusal(of call: Call) -> String? {
    let tokens = call.all("Token")
    let ends = tokens.count == 1 ? state.withLock { $0.tokens.access[tokens[0]] } : nil
    guard let ends, call.all("appId") == [Secrets.appID] else {
      return #"{"code":302,"error":"token signature incorrect"}"#
    }
    return ends <= Date().timeIntervalSince1970 ? #"{"code":301,"error":"token expired"}"# : nil
  }

  private func answerData(_ call: Call) -> String {
    guard call.kind == .values else { return #"{"code":200,"msg":"ok"}"# }
    let body = (try? JSONSerialization.jsonObject(with: Data(call.body))) as? [String: Any]
    guard let codes = body?["codes"] as? [String] else { return #"{"code":400,"error":"codes missing"}"# }
    let points = codes.map { #"{"pointId":"\#($0)","value":\#(Wire.value(of: $0)),"time":"2026-06-21 02:04:07"}"# }
    return #"{"code":200,"msg":"ok","ResultPointObjArr":[\#(points.joined(separator: ","))]}"#
  }

  // MARK: Connections

  private func serve(_ socket: TestSocket) {
    let peer = state.withLock { state -> UpstreamPeer? in
      guard !state.isStopped else { return nil }
      let peer = UpstreamPeer(socket, number: state.peers.count + 1)
      state.peers.append(peer)
      return peer
    }
    guard let peer else { return }
    Thread { [weak self] in
      while let call = peer.receive(), let self {
        let step = self.state.withLock { state -> UpstreamStep in
          state.calls.append(call)
          let isToken = call.kind == .authorization || call.kind == .refresh
          if isToken { return state.tokenSteps.isEmpty ? .normal : state.tokenSteps.removeFirst() }
          return state.steps.isEmpty ? state.everyStep ?? .normal : state.steps.removeFirst()
        }
        guard step.run(self, peer, call) else { break }
        peer.finishedCall()
      }
      peer.finish()
    }.start()
  }
}

/// Texts of the upstream's wire.
enum Wire {
  /// A whole answer with its length.
  static func message(
    _ body: String, status: String = "200 OK", fields: String = "", contentType: String = "application/json"
  ) -> [UInt8] {
    Array(
      "HTTP/1.1 \(status)\r\nContent-Type: \(contentType)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        .utf8)
  }

  /// The value that a point has: the same for the same name.
  static func value(of code: String) -> Int { code.utf8.reduce(7) { ($0 * 31 + Int($1)) % 10_007 } }
}
