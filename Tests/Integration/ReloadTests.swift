import Foundation
import TestSupport
import Testing

@Suite("Reload", .blocking)
struct ReloadTests {
  private let lab: Lab

  init() throws { lab = try Lab(environment: ["JWT_SECRET_2": Secrets.random(24)]) }

  private static var toMock: GatewayConfiguration { GatewayConfiguration { $0.defaults["adapter"] = "demo" } }

  @Test func `SIGHUP under load swaps the vendor without losing a request`() throws {
    try lab.expectHealthy()
    let crowd = Crowd(lab, threads: 4, connectionsPerThread: 1)
    // The callers must end even if an expectation fails.
    defer { crowd.end() }
    func expectMore(_ source: String, _ round: Int) throws {
      let before = crowd.sources[source] ?? 0
      try eventually("\(source) responses, round \(round)") { crowd.sources[source] ?? 0 >= before + 20 }
    }
    try expectMore("live", 0)
    for round in 1...3 {
      try lab.reload(Self.toMock.text)
      try expectMore("mock", round)
      try lab.reload(GatewayConfiguration().text)
      try expectMore("live", round)
    }
    crowd.expectSuccess()
    #expect(Set(crowd.sources.keys) == ["live", "mock"])
    #expect(lab.upstream.tokenCalls == 1, "a reload keeps the token")
    try eventually("the old configurations to be released") { try lab.metric("gateway_config_snapshots_live") == 1 }
  }

  @Test func `an adapter that a reload removes no longer affects readiness`() throws {
    try lab.withToken()
    lab.upstream.revokeAccess()
    lab.upstream.scriptTokens(.envelope(304))
    #expect(try lab.call().status == 503)
    try eventually("degraded by the adapter") { try lab.readiness().components == ["adapter:main"] }
    try lab.reload(Self.toMock.text)
    try eventually("ready") { try lab.readiness().status == "ready" }
  }

  @Test func `a reload of other settings during a refresh causes no second refresh`() throws {
    try lab.withToken()
    lab.upstream.revokeAccess()
    lab.upstream.scriptTokens(.delay(1))
    let connection = try lab.connect().send(Request.make())
    try eventually("the refresh") { lab.upstream.count(.refresh) == 1 }
    try lab.reload(GatewayConfiguration.upstream(["max_in_flight": "7"]).text)
    #expect(try lab.call().status == 200)
    #expect(try connection.receive().status == 200)
    #expect(lab.upstream.count(.refresh) == 1)
    #expect(lab.upstream.count(.authorization) == 0)
  }

  @Test func `a changed JWK set is read again, and a broken one leaves the old keys in use`() throws {
    let file = lab.gateway.folder.appending(path: "keys.json")
    func write(_ key: String, besides other: String = "") throws {
      let set = #"{"keys":[\#(other){"kty":"oct","alg":"HS256","k":"\#(JWT.base64url(Array(key.utf8)))"}]}"#
      try Data(set.utf8).write(to: file, options: .atomic)
    }
    func status(_ key: String) throws -> Int { try lab.call(Request.make(token: JWT.caller(key: key))).status }
    let (first, second) = (Secrets.random(20), Secrets.random(20))
    try write(first)
    let hs256 = "    - {alg: HS256, secret: {env: JWT_SECRET}}"
    try lab.reload(
      GatewayConfiguration().text.replacingOccurrences(of: hs256, with: hs256 + "\n    - {jwks: keys.json}"))
    #expect(try (status(first), status(second)) == (200, 401))
    try write(second, besides: #"{"kty":"AKP","kid":"odd"},"#)
    try eventually("the new key to be used", within: 15) { try status(second) == 200 }
    #expect(try status(first) == 401)
    // The log has a thread of its own, so the line may come after the keys.
    try eventually("the warning in the log") { !lab.gateway.entries("a changed JWK set has a problem").isEmpty }
    let warning = try #require(lab.gateway.entries("a changed JWK set has a problem").first?["problem"] as? String)
    #expect(warning.contains("keys[0] (kid 'odd'): the key type 'AKP' is not supported"))
    try Data("{\"keys\":[".utf8).write(to: file, options: .atomic)
    try eventually("the refusal in the log", within: 15) { lab.gateway.log.contains("a changed JWK set is refused") }
    #expect(try status(second) == 200)
    let refusals = lab.gateway.entries("a changed JWK set is refused; the previous keys stay in force").count
    try Data(#"{"keys":[{"kty":"AKP"}]}"#.utf8).write(to: file, options: .atomic)
    try eventually("the refusal of a set without a usable key", within: 15) {
      lab.gateway.entries("a changed JWK set is refused; the previous keys stay in force").count > refusals
    }
    #expect(try status(second) == 200)
    #expect(!lab.gateway.log.contains(second))
  }

  @Test func `a request in flight ends with the configuration it began with`() throws {
    try lab.withToken()
    let connection = try lab.begin(.delay(1.5))
    try lab.reload(Self.toMock.text)
    let response = try connection.receive()
    #expect(response.status == 200 && response.source == "live")
    #expect(try connection.send(Request.make()).receive()["X-Gateway-Source"] == "mock")
  }

  @Test(arguments: ["version: 1\nlisten: [", "version: 1\nnonsense: true\n", ""])
  func `a broken configuration is refused and reported, and the old one stays in use`(_ text: String) throws {
    let before = try lab.metric("gateway_config_last_reload_timestamp_seconds")
    try lab.reload(text, expectSuccess: false)
    #expect(try lab.metric("gateway_config_last_reload_timestamp_seconds") == before)
    #expect(lab.gateway.log.contains("gateway.yaml"))
    try lab.expectHealthy()
    try lab.reload(GatewayConfiguration().text)
    try lab.expectHealthy()
  }

  @Test func `a change of a key that needs a restart is refused`() throws {
    for change in [
      { $0.listen["event_loops"] = "1" }, { $0.store["path"] = "other.db" },
      { $0.admin["address"] = "127.0.0.1:1" }, { $0.listen["address"] = "127.0.0.1:1" },
    ] as [(inout GatewayConfiguration) -> Void] {
      try lab.reload(GatewayConfiguration(change).text, expectSuccess: false)
      try lab.reload(GatewayConfiguration().text)
    }
    try lab.expectHealthy()
  }

  @Test func `a new secret is used from the reload on`() throws {
    let second = try #require(lab.gateway.environment["JWT_SECRET_2"])
    let token = JWT.caller(key: second)
    #expect(try lab.call(Request.make(token: token)).status == 401)
    try lab.reload(GatewayConfiguration().text.replacingOccurrences(of: "env: JWT_SECRET}", with: "env: JWT_SECRET_2}"))
    #expect(try lab.call(Request.make(token: token)).status == 200)
    #expect(try lab.call(Request.make()).status == 401)
  }
}
