import Foundation
import TestSupport

/// The engines of a store.
enum Engine: String, CaseIterable, Sendable {
  case sqlite, postgres
}

/// Several gateways on one upstream and one store.
final class Fleet: Sendable {
  let upstream: ScriptedWebTalk
  let labs: [Lab]

  /// Starts all gateways at the same time.
  ///
  /// - Parameters:
  ///   - database: PostgreSQL's URL; nil creates a database on the shared server.
  ///   - configure: changes the configuration of each gateway.
  init(
    _ count: Int, on engine: Engine, tokenLife: Double = 7200, database: String? = nil, isStarted: Bool = true,
    configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws {
    let upstream = try ScriptedWebTalk()
    upstream.tokenLife = tokenLife
    var configuration = GatewayConfiguration.busy
    var environment: [String: String] = [:]
    if engine == .postgres {
      configuration.usePostgres()
      environment["DATABASE_URL"] = try database ?? PostgresServer.shared().newDatabase()
    }
    configure(&configuration)
    var labs: [Lab] = []
    for _ in 0..<count {
      labs.append(try Lab(configuration, upstream: upstream, environment: environment, isStarted: false))
      // All use the first gateway's file.
      if engine == .sqlite { configuration.store["path"] = labs[0].gateway.folder.appending(path: "pointgate.db").path }
    }
    self.upstream = upstream
    self.labs = labs
    if isStarted { try start() }
  }

  deinit {
    for lab in labs { lab.gateway.kill() }
    upstream.stop()
  }

  func start() throws {
    for lab in labs { try lab.gateway.spawnRun() }
    for lab in labs { try lab.gateway.waitUntilReady() }
  }

  /// Waits until every gateway shows the same upstream token, and returns it.
  func commonToken(within seconds: Double = 10) throws -> String {
    try firstValue("the same token everywhere", within: seconds) { () -> String? in
      let shown = try labs.map { try $0.shownToken() }
      return Set(shown).count == 1 ? shown[0] : nil
    }
  }
}
