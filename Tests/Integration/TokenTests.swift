import Foundation
import TestSupport
import Testing

@Suite("The upstream's token", .blocking)
struct TokenTests {
  private static let wide = GatewayConfiguration.upstream([
    "max_in_flight": "64", "queue": "{size: 1000, wait: 10s}", "first_byte_timeout": "20s", "total_timeout": "30s",
  ])

  @Test("200 callers at once over tokens of three seconds: every answer is 200, and no refresh token is used twice")
  func shortTokens() throws {
    let lab = try Lab(Self.wide)
    lab.upstream.tokenLife = 3
    let crowd = Crowd(lab, threads: 4, connectionsPerThread: 50)
    defer { crowd.end() }
    // With a life of three seconds and a window of half of it, that is more than six seconds.
    try eventually("four renewals", within: 20) { lab.upstream.count(.refresh) >= 4 || !crowd.failures.isEmpty }
    crowd.end()
    #expect(crowd.failures.isEmpty, "\(crowd.failures.count) of \(crowd.answers), first: \(crowd.failures.first ?? "")")
    #expect(crowd.answers >= 200)
    #expect(lab.upstream.reusedRefreshTokens == 0)
    #expect(lab.upstream.count(.authorization) == 1)
    #expect(lab.upstream.count(.refresh) <= 6)
  }

  @Test("many first callers make one authorize call")
  func firstCallers() throws {
    let lab = try Lab(Self.wide)
    let connections = try (0..<100).map { _ in try lab.connect() }
    for connection in connections { connection.send(Request.make()) }
    for connection in connections { #expect(try connection.receive().status == 200) }
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test("a refused token is renewed once and the call repeated once, writes too", arguments: [301, 302])
  func refused(_ code: Int) throws {
    let lab = try Lab()
    for request in [Request.make(), Request.make("POST", Request.set, body: Request.setBody)] {
      try lab.upstream.withNormalToken(lab)
      lab.upstream.script(.envelope(code))
      #expect(try lab.call(request).status == 200)
      #expect(lab.upstream.dataCalls.count == 2)
      #expect(lab.upstream.tokenCalls == 1)
      let tokens = lab.upstream.dataCalls.map { $0.all("Token") }
      #expect(tokens.first != tokens.last, "the repeat carries the new token")
    }
  }

  @Test("HTTP 401 from the upstream counts as a refused token, and the caller never sees it")
  func refusedByStatus() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.script(.answer("denied", status: "401 Unauthorized"))
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.dataCalls.count == 2)
  }

  @Test("an upstream that refuses every token: one renewal, one repeat, then 502", arguments: [301, 302])
  func alwaysRefused(_ code: Int) throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.always(.envelope(code))
    let answer = try lab.call()
    #expect(answer.status == 502)
    #expect(answer.errorCode == "upstream_rejected_token")
    #expect(lab.upstream.dataCalls.count == 2)
    #expect(lab.upstream.tokenCalls == 1)
    lab.upstream.always(nil)
    try lab.expectHealthy()
  }

  @Test("301 somewhere deeper in an answer is the upstream's data, not a refusal")
  func nestedCode() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    let body = #"{"data":{"code":301},"text":"\"code\":301","code":200}"#
    lab.upstream.script(.answer(body))
    #expect(try lab.call().text == body)
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test("a dead refresh token leads to an authorize call")
  func deadRefreshToken() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.revokeAccess()
    lab.upstream.revokeRefresh()
    #expect(try lab.call().status == 200)
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 1)
  }

  @Test("a blip in the refresh keeps the good pair: no authorize call")
  func blip() throws {
    let lab = try Lab()
    try lab.upstream.withNormalToken(lab)
    lab.upstream.revokeAccess()
    lab.upstream.scriptTokens(.close)
    let first = try lab.call(within: 15)
    #expect([200, 502, 503].contains(first.status))
    try eventually("a good answer", within: 10) { try lab.call(within: 15).status == 200 }
    #expect(lab.upstream.count(.authorization) == 0)
    #expect(lab.upstream.reusedRefreshTokens == 0)
  }

  @Test("the pair outlives a kill")
  func persistence() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    lab.gateway.kill()
    lab.upstream.forgetCalls()
    try lab.gateway.start()
    try lab.expectHealthy()
    #expect(lab.upstream.tokenCalls == 0)
    // And the stored refresh token is the live one.
    lab.upstream.revokeAccess()
    try lab.expectHealthy()
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 0)
  }

  @Test("the store's file is for its owner only")
  func filePermissions() throws {
    let lab = try Lab()
    try lab.expectHealthy()
    let path = lab.gateway.folder.appending(path: "pointgate.db").path
    let permissions = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(permissions == 0o600)
  }

  @Test("another upstream never gets this one's token, in operation and after a restart")
  func boundToUpstream() throws {
    let (lab, second) = (try Lab(), try ScriptedUpstream())
    try lab.expectHealthy()
    lab.gateway.kill()
    var configuration = GatewayConfiguration()
    configuration.adapters["main"]?.settings["base_url"] = second.url
    try lab.gateway.write(configuration.text)
    try lab.gateway.start()
    try lab.expectHealthy()
    #expect(second.count(.authorization) == 1)
    #expect(second.count(.refresh) == 0)
    for call in second.calls { #expect(!lab.upstream.secrets.contains { call.text.contains($0) }) }
  }

  @Test("GET /api/iot/token shows the access token and fetches one when there is none")
  func tokenRoute() throws {
    let lab = try Lab()
    let answer = try lab.call(Request.make("GET", Request.token, body: nil), to: "GET")
    #expect(answer.status == 200)
    let shown = try #require(answer.json?["token"] as? String)
    #expect(lab.upstream.isAccessToken(shown))
    #expect(answer.json?["active"] as? Bool == true)
    #expect(answer.json?["adapter"] as? String == "main")
    let expiresAt = try #require(answer.json?["expiresAt"] as? Double)
    #expect(abs(expiresAt / 1000 - Date().timeIntervalSince1970 - 7200) < 60)
    #expect(lab.upstream.tokenCalls == 1)
  }

  @Test("a masked token shows eight characters")
  func maskedToken() throws {
    var configuration = GatewayConfiguration()
    configuration.routes["token"] = ["reveal": "masked"]
    let lab = try Lab(configuration)
    let answer = try lab.call(Request.make("GET", Request.token, body: nil), to: "GET")
    let shown = try #require(answer.json?["token"] as? String)
    #expect(shown.count == 11)
    #expect(shown.hasSuffix("..."))
    #expect(lab.upstream.secrets.contains { $0.hasPrefix(shown.dropLast(3)) })
    #expect(!lab.upstream.secrets.contains { answer.text.contains($0) })
  }

  @Test("the mock has a token of its own, which says whose it is")
  func mockToken() throws {
    var configuration = GatewayConfiguration()
    configuration.routes["token"] = ["adapter": "demo"]
    let lab = try Lab(configuration)
    let answer = try lab.call(Request.make("GET", Request.token, body: nil), to: "GET")
    #expect(answer.status == 200)
    #expect(answer.json?["adapter"] as? String == "demo")
    #expect(answer["X-Gateway-Source"] == "mock")
    #expect(lab.upstream.calls.isEmpty)
  }
}
