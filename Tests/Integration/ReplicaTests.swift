import Foundation
import TestSupport
import Testing

@Suite("Several gateways on one store", .blocking)
struct ReplicaTests {
  @Test(arguments: Engine.allCases)
  func `three gateways under load with short tokens authorize once, refresh once per expiry and use the same token`(
    _ engine: Engine
  ) throws {
    let fleet = try Fleet(3, on: engine, tokenLife: 4)
    let crowds = fleet.labs.map { Crowd($0, threads: 1, connectionsPerThread: 20) }
    defer { for crowd in crowds { crowd.end() } }
    try eventually("three renewals", within: 20) {
      fleet.upstream.count(.refresh) >= 3 || crowds.contains { !$0.failures.isEmpty }
    }
    for crowd in crowds {
      crowd.expectSuccess()
      #expect(crowd.responses >= 20)
    }
    #expect(fleet.upstream.count(.authorization) == 1)
    #expect(fleet.upstream.reusedRefreshTokens == 0)
    // A second refresh for the same expiry would follow the first at once.
    let times = fleet.upstream.calls.filter { $0.kind == .refresh }.map { $0.time }
    for (one, next) in zip(times, times.dropFirst()) { #expect(next - one > 0.5) }
    #expect(fleet.upstream.isAccessToken(try fleet.commonToken()))
    #expect(fleet.upstream.reusedRefreshTokens == 0)
  }

  @Test(arguments: Engine.allCases)
  func `three gateways that start at once with many callers each authorize once`(_ engine: Engine) throws {
    let fleet = try Fleet(3, on: engine)
    try expectGood(fleet, callers: 30)
    #expect(fleet.upstream.tokenCalls == 1)
    _ = try fleet.commonToken()
    #expect(fleet.upstream.tokenCalls == 1)
  }

  @Test(arguments: Engine.allCases)
  func `a token that the upstream rejects is renewed once for all gateways`(_ engine: Engine) throws {
    let fleet = try Fleet(3, on: engine)
    try settle(fleet)
    fleet.upstream.revokeAccess()
    try expectGood(fleet, callers: 20)
    #expect(fleet.upstream.count(.refresh) == 1)
    #expect(fleet.upstream.count(.authorization) == 1)
  }

  /// The progress of the refreshing gateway's call when it is killed or suspended.
  enum Progress: CaseIterable {
    /// The upstream has not acted on it: the refresh token is still valid.
    case asked
    /// The upstream has rotated the pair, and no gateway knows the new one.
    case rotated
  }

  @Test(arguments: Engine.allCases, Progress.allCases)
  func `another gateway takes over when the refreshing one is killed during its exchange`(
    _ engine: Engine, _ progress: Progress
  ) throws {
    let fleet = try Fleet(2, on: engine)
    try settle(fleet)
    _ = try holdRefresh(of: fleet.labs[0], progress)
    fleet.labs[0].gateway.kill()
    try untilGood(fleet.labs[1])
    #expect(fleet.upstream.count(.authorization) == (progress == .asked ? 1 : 2))
    #expect(fleet.upstream.reusedRefreshTokens == (progress == .asked ? 0 : 1))
    let token = try fleet.labs[1].shownToken()
    let calls = fleet.upstream.tokenCalls
    try fleet.labs[0].gateway.start()
    #expect(try fleet.labs[0].call().status == 200)
    #expect(try fleet.commonToken() == token)
    #expect(fleet.upstream.tokenCalls == calls)
  }

  @Test(arguments: Engine.allCases, Progress.allCases)
  func `another gateway takes over when the refreshing one is suspended, and its pair is not overwritten later`(
    _ engine: Engine, _ progress: Progress
  ) throws {
    let fleet = try Fleet(2, on: engine)
    try settle(fleet)
    let gate = try holdRefresh(of: fleet.labs[0], progress)
    fleet.labs[0].gateway.signal(SIGSTOP)
    defer { fleet.labs[0].gateway.signal(SIGCONT) }
    try untilGood(fleet.labs[1])
    let token = try fleet.labs[1].shownToken()
    #expect(fleet.upstream.count(.authorization) == (progress == .asked ? 1 : 2))
    gate.open()
    fleet.labs[0].gateway.signal(SIGCONT)
    try untilGood(fleet.labs[0])
    #expect(try fleet.commonToken() == token)
    #expect(fleet.upstream.count(.authorization) == (progress == .asked ? 1 : 2))
  }

  @Test(arguments: Engine.allCases)
  func `a gateway whose refresh token is refused reads the row again before it authorizes`(_ engine: Engine) throws {
    let fleet = try Fleet(2, on: engine)
    try settle(fleet)
    // The second gateway is suspended during a renewal, and continues with a pair that has been used.
    fleet.labs[1].gateway.signal(SIGSTOP)
    defer { fleet.labs[1].gateway.signal(SIGCONT) }
    fleet.upstream.revokeAccess()
    try untilGood(fleet.labs[0])
    fleet.labs[1].gateway.signal(SIGCONT)
    try untilGood(fleet.labs[1])
    _ = try fleet.commonToken()
    #expect(fleet.upstream.count(.authorization) == 1)
    #expect(fleet.upstream.count(.refresh) == 1)
    #expect(fleet.upstream.reusedRefreshTokens == 0)
  }

  @Test func `under kills, suspensions and a database restart, each response is 200, or 503 with Retry-After`() throws {
    let server = try PostgresServer()
    let fleet = try Fleet(3, on: .postgres, tokenLife: 4, database: server.newDatabase())
    let crowds = fleet.labs.map { Crowd($0, threads: 1, connectionsPerThread: 20, isPatient: true) }
    defer {
      for lab in fleet.labs { lab.gateway.signal(SIGCONT) }
      for crowd in crowds { crowd.end() }
    }
    func more(_ count: Int) throws { for crowd in crowds { try crowd.more(count) } }
    func renewal(among crowds: [Crowd]) throws {
      let before = fleet.upstream.count(.refresh, .authorization)
      try eventually("another token", within: 10) {
        fleet.upstream.count(.refresh, .authorization) > before || crowds.contains { !$0.failures.isEmpty }
      }
    }
    try more(100)
    fleet.labs[0].gateway.kill()
    try renewal(among: Array(crowds[1...]))
    try fleet.labs[0].gateway.start()
    fleet.labs[1].gateway.signal(SIGSTOP)
    try renewal(among: [crowds[0], crowds[2]])
    fleet.labs[1].gateway.signal(SIGCONT)
    server.stop(.immediate)
    try more(100)
    try server.start()
    try renewal(among: crowds)
    server.stop(.fast)
    try server.start()
    try more(100)
    for crowd in crowds { crowd.expectSuccess() }
    _ = try fleet.commonToken()
    for lab in fleet.labs { try eventually("ready again") { try lab.readiness().status == "ready" } }
  }

  /// Makes the upstream reject the token, so that a call of this gateway starts a refresh that does not end.
  private func holdRefresh(of lab: Lab, _ progress: Progress) throws -> Gate {
    let gate = Gate()
    lab.upstream.scriptTokens(.held(by: gate, isEarly: progress == .rotated))
    lab.upstream.revokeAccess()
    let connection = try lab.connect().send(Request.make())
    defer { connection.socket.close() }
    try eventually("the refresh to be under way") { lab.upstream.count(.refresh) == 1 }
    if progress == .rotated { try eventually("a new pair") { lab.upstream.pairs == 2 } }
    return gate
  }

  /// Expects that all gateways have the same token and can use it.
  private func settle(_ fleet: Fleet) throws {
    for lab in fleet.labs { try lab.expectHealthy() }
    _ = try fleet.commonToken()
    #expect(fleet.upstream.tokenCalls == 1)
  }

  /// Expects that this number of concurrent callers of each gateway gets 200.
  private func expectGood(_ fleet: Fleet, callers: Int) throws {
    let connections = try fleet.labs.flatMap { lab in try (0..<callers).map { _ in try lab.connect() } }
    for connection in connections { connection.send(Request.make()) }
    for connection in connections {
      let response = try connection.receive(within: 15)
      #expect(response.status == 200, "\(response.text)")
    }
  }

  /// Calls until the response is 200. Until then no valid token can exist.
  private func untilGood(_ lab: Lab) throws {
    try eventually("a 200", within: 20) {
      let response = try lab.call(within: 20)
      if response.status != 200 {
        #expect(response.status == 503 && response["Retry-After"] != nil, "\(response.text)")
      }
      return response.status == 200
    }
  }
}
