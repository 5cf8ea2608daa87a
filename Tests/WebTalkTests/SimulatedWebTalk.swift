import AdapterAPI
import AdapterTestKit
import Foundation
import Synchronization
import WebTalk

/// A WebTalk in memory, for tests of the adapter without sockets. It follows the upstream's contract: tokens, refresh
/// tokens that are accepted once, every operation.
final class SimulatedWebTalk: Sendable {
  static let appID = "app-4f1c9b7e2d"

  private struct State {
    var serial = 0
    var access: Set<String> = []
    var refresh: Set<String> = []
  }

  private let state = Mutex(State())

  func respond(to request: HTTPRequest) -> HTTPResponse {
    let parts = request.target.split(separator: "?", maxSplits: 1).map(String.init)
    if parts[0] == "/_webtalk/_cur/api/access_token" { return token(query: parts.count > 1 ? parts[1] : "") }
    guard request.method == .post, let access = request.fields["Token"], request.fields["appId"] == Self.appID else {
      return .whole(#"{"code":302,"error":"token signature incorrect"}"#)
    }
    guard state.withLock({ $0.access.contains(access) }) else {
      return .whole(#"{"code":301,"error":"token expired"}"#)
    }
    switch parts[0] {
    case "/_webtalk/_cur/api/getCodesVal":
      return .whole(
        #"{"code":200,"msg":"ok","ResultPointObjArr":[{"pointId":"C_5001_AV_0001","#
          + #""value":18.50,"time":"2026-06-21 02:04:07"}]}"#
      )
    case "/_webtalk/_cur/api/getCodesHisVal":
      return .whole(#"{"code":"200","ResultPointObjArr":[{"pointId":"C_5001_AV_0001","data":[]}]}"#)
    case "/_webtalk/_cur/api/setCodesVal", "/_webtalk/_cur/api/forceSetCodesVal":
      return .whole(#"{"code":200,"msg":"ok"}"#)
    case "/_webtalk/_cur/api/getHisAlarms": return .whole(#"{"code":200,"ResultAlarmArr":[]}"#)
    case "/_webtalk/_cur/api/getAlarmConfigs":
      return .whole(#"{"code":200,"ResultAlarmConfigArr":[{"configId":"1","pointId":"C_5001_AV_0001","high":28}]}"#)
    default: return .whole("not found", status: 404, type: "text/plain")
    }
  }

  private func token(query: String) -> HTTPResponse {
    var members: [String: String] = [:]
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      members[parts[0]] = parts.count > 1 ? parts[1].removingPercentEncoding : ""
    }
    guard members["appId"] == Self.appID else { return .whole(#"{"code":304,"error":"invalid appId"}"#) }
    return state.withLock { state in
      if members["grant_type"] == "refresh", state.refresh.remove(members["refreshToken"] ?? "") == nil {
        return .whole(#"{"code":305,"error":"refresh token expired"}"#)
      }
      state.serial += 1
      let access = JWT.make(#"{"iat":1781692200,"exp":1781699400,"n":\#(state.serial)}"#)
      let refresh = "refresh+/=\(state.serial)"
      state.access.insert(access)
      state.refresh.insert(refresh)
      return .whole(#"{"access_token":"\#(access)","refresh_token":"\#(refresh)","token_type":"bearer"}"#)
    }
  }
}

enum JWT {
  static func make(_ payload: String) -> String {
    let encoded = Data(payload.utf8).base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    return "eyJhbGciOiJIUzI1NiJ9.\(encoded).c2lnbmF0dXJl"
  }
}

/// A WebTalk adapter with a scripted client.
struct Bench {
  let adapter: WebTalk
  let client: ScriptedHTTPClient
  let log = CollectingLog()

  init(_ client: ScriptedHTTPClient = ScriptedHTTPClient(), appID: String = SimulatedWebTalk.appID) throws {
    self.client = client
    adapter = try AdapterMaking.make(
      WebTalk.self, [("base_url", "http://gateway.test:8098/sub/path/"), ("app_id", "env:APP_ID")],
      environment: ["APP_ID": appID], log: log, client: client)
  }

  func call() throws -> Call {
    Call(token: try Token(access: "tok", refresh: "", expiresAt: 0, lifetime: 0), deadline: .distantFuture)
  }

  /// Performs one operation, to which the upstream gives `response`.
  func perform(
    _ operation: AdapterAPI.Operation = .values, body: String = #"{"codes":["P"]}"#, fields: Fields = Fields(),
    response: HTTPResponse
  ) async throws -> AdapterResponse {
    client.script { _ in response }
    return try await adapter.perform(
      AdapterRequest(operation: operation, fields: fields, body: Array(body.utf8)), try call())
  }

  /// Returns the error that the response became; nil when it was passed on.
  func error(_ operation: AdapterAPI.Operation = .values, response: HTTPResponse) async throws -> AdapterError? {
    client.script { _ in response }
    return try await error(operation)
  }

  /// Returns the error of a call; nil when there was a response.
  func error(_ operation: AdapterAPI.Operation) async throws -> AdapterError? {
    let call = try call()
    let request = AdapterRequest(operation: operation, body: Array(#"{"codes":["P"]}"#.utf8))
    return await adapterError { try await adapter.perform(request, call) }
  }

  /// Returns the error that the response to a token request became; nil when it was a pair.
  func refreshError(_ current: Token?, response: HTTPResponse) async -> AdapterError? {
    client.script { _ in response }
    return await adapterError { try await adapter.refresh(current, deadline: .distantFuture) }
  }
}
