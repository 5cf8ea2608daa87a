import Foundation
import TestSupport
import Testing

@Suite("The upstream's token", .blocking)
struct TokenTests {
  private static let wide = GatewayConfiguration.upstream([
    "max_in_flight": "64", "queue": "{size: 1000, wait: 10s}", "first_byte_timeout": "20s", "total_timeout": "30s",
  ])

  @Test func `200 concurrent callers with tokens of three seconds all get 200, and no refresh token is used twice`()
    throws
  {
    let lab = try Lab(Self.wide, isStarted: false)
    lab.upstream.tokenLife = 3
    try lab.gateway.start()
    let crowd = Crowd(lab, threads: 4, connectionsPerThread: 50)
    defer { crowd.end() }
    // With a life of three seconds and a window of half of it, this takes more than six seconds.
    try eventually("four renewals", within: 20) { lab.upstream.count(.refresh) >= 4 || !crowd.failures.isEmpty }
    crowd.expectSuccess()
    #expect(crowd.responses >= 200)
    #expect(lab.upstream.reusedRefreshTokens == 0)
    #expect(lab.upstream.count(.authorization) == 1)
    #expect(lab.upstream.count(.refresh) <= 6)
  }

  @Test(arguments: [301, 302])
  func `a rejected token is renewed once and the call is repeated once, writes included`(_ code: Int) throws {
    let lab = try Lab()
    for request in [Request.make(), Request.make("POST", Request.set, body: Request.setBody)] {
      try lab.withToken()
      lab.upstream.script(.envelope(code))
      #expect(try lab.call(request).status == 200)
      #expect(lab.upstream.dataCalls.count == 2)
      #expect(lab.upstream.tokenCalls == 1)
      let tokens = lab.upstream.dataCalls.map { $0.all("Token") }
      #expect(tokens.first != tokens.last, "the repeat carries the new token")
    }
  }

  @Test func `HTTP 401 from the upstream counts as a rejected token and does not reach the caller`() throws {
    let lab = try Lab().withToken()
    lab.upstream.script(.response("denied", status: "401 Unauthorized"))
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.dataCalls.count == 2)
  }

  @Test(arguments: [301, 302])
  func `an upstream that rejects every token gets one renewal and one repeat, then the caller gets 502`(_ code: Int)
    throws
  {
    let lab = try Lab().withToken()
    lab.upstream.always(.envelope(code))
    #expect(try lab.call().outcome == "502 upstream_rejected_token")
    #expect(lab.upstream.dataCalls.count == 2)
    #expect(lab.upstream.tokenCalls == 1)
    lab.upstream.always(nil)
    try lab.expectHealthy()
  }

  @Test func `a nested code 301 in a response is data, not a rejected token`() throws {
    let lab = try Lab().withToken()
    let body = #"{"data":{"code":301},"text":"\"code\":301","code":200}"#
    lab.upstream.script(.response(body))
    #expect(try lab.call().text == body)
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `a refused refresh token leads to an authorization`() throws {
    let lab = try Lab().withToken()
    lab.upstream.revokeAccess()
    lab.upstream.revokeRefresh()
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 1)
  }

  @Test func `a failed refresh keeps the valid pair and causes no authorization`() throws {
    let lab = try Lab().withToken()
    lab.upstream.revokeAccess()
    lab.upstream.scriptTokens(.close)
    #expect([200, 502, 503].contains(try lab.call(within: 15).status))
    try eventually("a 200", within: 10) { try lab.call(within: 15).status == 200 }
    #expect(lab.upstream.count(.authorization) == 0)
    #expect(lab.upstream.reusedRefreshTokens == 0)
  }

  @Test func `the stored pair survives a kill`() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    lab.gateway.kill()
    lab.upstream.forgetCalls()
    try lab.gateway.start()
    try lab.expectHealthy()
    #expect(lab.upstream.tokenCalls == 0)
    // The stored refresh token is the valid one.
    lab.upstream.revokeAccess()
    try lab.expectHealthy()
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 0)
  }

  @Test func `only its owner can read the store's file`() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    let path = lab.gateway.folder.appending(path: "pointgate.db").path
    let permissions = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(permissions == 0o600)
  }

  @Test func `a token is never sent to another upstream, in operation and after a restart`() throws {
    let (lab, second) = (try Lab(), try ScriptedWebTalk())
    try lab.expectHealthy()
    lab.gateway.kill()
    try lab.gateway.write(GatewayConfiguration.upstream(["base_url": second.url]).text)
    try lab.gateway.start()
    try lab.expectHealthy()
    #expect(second.count(.authorization) == 1)
    #expect(second.count(.refresh) == 0)
    for call in second.calls { #expect(!lab.upstream.secrets.contains { call.text.contains($0) }) }
  }

  @Test func `GET /api/iot/token shows the access token, and fetches one if there is none`() throws {
    let lab = try Lab()
    let response = try lab.get(Request.token)
    #expect(response.status == 200)
    let shown = try #require(response.json?["token"] as? String)
    #expect(lab.upstream.isAccessToken(shown))
    #expect(response.json?["active"] as? Bool == true && response.json?["adapter"] as? String == "main")
    let expiresAt = try #require(response.json?["expiresAt"] as? Double)
    #expect(abs(expiresAt / 1000 - Date().timeIntervalSince1970 - 7200) < 60)
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test func `a masked token shows eight characters`() throws {
    let lab = try Lab { $0.routes["token"] = ["reveal": "masked"] }
    let response = try lab.get(Request.token)
    let shown = try #require(response.json?["token"] as? String)
    #expect(shown.count == 11 && shown.hasSuffix("..."))
    #expect(lab.upstream.secrets.contains { $0.hasPrefix(shown.dropLast(3)) })
    #expect(!lab.upstream.secrets.contains { response.text.contains($0) })
  }

  @Test func `the mock has a token of its own that names it`() throws {
    let lab = try Lab { $0.routes["token"] = ["adapter": "demo"] }
    let response = try lab.get(Request.token)
    #expect(response.status == 200)
    #expect(response.json?["adapter"] as? String == "demo" && response.source == "mock")
    #expect(lab.upstream.dataCalls.isEmpty)
  }
}
