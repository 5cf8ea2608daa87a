import Foundation
import TestSupport
import Testing

/// A running gateway with its upstream.
final class Lab: Sendable {
  let upstream: ScriptedWebTalk
  let gateway: GatewayProcess
  private let ownsUpstream: Bool

  /// - Parameters:
  ///   - upstream: an upstream shared with other gateways; nil creates one.
  ///   - change: changes the configuration.
  init(
    _ configuration: GatewayConfiguration = GatewayConfiguration(), upstream: ScriptedWebTalk? = nil,
    environment: [String: String] = [:], isStarted: Bool = true, change: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = configuration
    change(&configuration)
    ownsUpstream = upstream == nil
    let upstream = try upstream ?? ScriptedWebTalk()
    self.upstream = upstream
    gateway = try GatewayProcess(configuration.text, environment: Lab.environment(upstream, environment))
    if isStarted { try gateway.start() }
  }

  deinit {
    gateway.kill()
    if ownsUpstream { upstream.stop() }
  }

  static func environment(_ upstream: ScriptedWebTalk?, _ more: [String: String] = [:]) -> [String: String] {
    [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "JWT_SECRET": Secrets.jwt, "APP_ID": Secrets.appID,
      "BASE_URL": upstream?.url ?? "http://127.0.0.1:9",
    ].merging(more) { $1 }
  }

  func connect(receiveBuffer: Int32? = nil) throws -> RawConnection {
    try RawConnection(port: gateway.port, receiveBuffer: receiveBuffer)
  }

  /// Sends a request on a new connection and returns the response.
  func call(_ request: [UInt8] = Request.make(), to method: String = "POST", within seconds: Double = 8) throws
    -> TestMessage
  {
    try living { try connect() }.send(request).receive(to: method, within: seconds)
  }

  /// Sends a GET with a caller's token on a new connection and returns the response.
  func get(_ path: String, token: String? = JWT.caller()) throws -> TestMessage {
    try call(Request.make("GET", path, body: nil, token: token), to: "GET")
  }

  /// Sends a request on a new connection and waits until its call, which takes this step, is at the upstream.
  func begin(_ step: UpstreamStep, _ request: [UInt8] = Request.make()) throws -> RawConnection {
    let calls = upstream.dataCalls.count
    upstream.script(step)
    let connection = try connect().send(request)
    try eventually("the call at the upstream") { upstream.dataCalls.count == calls + 1 }
    return connection
  }

  /// Makes the gateway fetch a token and forgets the calls, so that only later calls are counted.
  @discardableResult
  func withToken() throws -> Lab {
    try expectHealthy()
    upstream.forgetCalls()
    return self
  }

  /// Waits until the number of the gateway's client connections is `count`.
  func awaitConnections(_ count: Double) throws {
    try eventually("\(count) connections") { try metric("gateway_http_connections") == count }
  }

  /// Connects. If the gateway has ended, the error contains its log.
  private func living(_ connect: () throws -> RawConnection) throws -> RawConnection {
    do {
      return try connect()
    } catch {
      guard let status = gateway.exitStatus else { throw error }
      throw GatewayProcess.Broken(description: "the gateway ended with \(status): \(gateway.log.suffix(800))")
    }
  }

  /// Sends a GET to the admin listener.
  func ask(_ path: String) throws -> TestMessage {
    let connection = try living { try RawConnection(port: gateway.adminPort) }
    return try connection.send("GET \(path) HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").receive(to: "GET")
  }

  /// The status in /readyz, and the components that are not healthy.
  func readiness() throws -> (status: String, components: [String]) {
    let json = try ask("/readyz").json
    let reasons = json?["reasons"] as? [[String: Any]] ?? []
    return (json?["status"] as? String ?? "", reasons.compactMap { $0["component"] as? String })
  }

  func isDegradedByStore() throws -> Bool {
    let readiness = try readiness()
    return readiness.status == "degraded" && readiness.components.contains("store")
  }

  /// The upstream's token that this gateway uses.
  func shownToken() throws -> String? {
    try get(Request.token).json?["token"] as? String
  }

  /// The sum of the samples with this name and these labels; nil without a sample.
  func metric(_ name: String, _ labels: [String: String] = [:]) throws -> Double? {
    var sum: Double?
    for line in try ask("/metrics").text.split(separator: "\n") where line.hasPrefix(name) {
      let rest = line.dropFirst(name.count)
      guard rest.first == "{" || rest.first == " ", let value = line.split(separator: " ").last.flatMap({ Double($0) })
      else { continue }
      if labels.allSatisfy({ rest.contains("\($0)=\"\($1)\"") }) { sum = (sum ?? 0) + value }
    }
    return sum
  }

  /// Replaces the configuration and waits until the metrics report the reload as successful or refused.
  func reload(_ configuration: String, expectSuccess: Bool = true) throws {
    let before = try metric("gateway_config_last_reload_timestamp_seconds") ?? 0
    try gateway.write(configuration)
    gateway.signal(SIGHUP)
    try eventually("a reload that \(expectSuccess ? "succeeds" : "is refused")", within: 10) {
      let isGood = try metric("gateway_config_last_reload_successful") == 1
      return expectSuccess
        ? try isGood && metric("gateway_config_last_reload_timestamp_seconds") ?? 0 > before : !isGood
    }
  }

  /// Expects that the gateway runs and serves a request.
  func expectHealthy(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(!gateway.hasEnded, comment, sourceLocation: sourceLocation)
    do {
      let response = try call()
      #expect(response.status == 200, comment, sourceLocation: sourceLocation)
    } catch {
      // If the gateway has ended, its log explains more than the broken connection.
      let end = gateway.exitStatus.map { "ended with \($0): " } ?? "lives: "
      Issue.record(
        "no 200: \(error); the gateway \(end)\(gateway.log.suffix(800))", sourceLocation: sourceLocation)
    }
  }
}
