import Foundation
import TestSupport
import Testing

/// A gateway that may open no further descriptor, because clients or the system have taken them all.
@Suite(.blocking) struct DescriptorTests {
  private func lab(_ configuration: GatewayConfiguration = GatewayConfiguration(), host: String? = nil) throws -> Lab {
    let upstream = try ScriptedWebTalk()
    let environment = host.map { ["BASE_URL": "http://\($0):\(upstream.port)"] } ?? [:]
    return try Lab(configuration, upstream: upstream, environment: environment)
  }

  /// Sets the number of descriptors that the gateway may have open.
  private func limit(_ lab: Lab, to count: Int) throws {
    try Command(["/usr/bin/prlimit", "--pid", "\(lab.gateway.pid)", "--nofile=\(count):"]).run()
  }

  /// Takes all descriptors, and returns a connection that waits in the backlog.
  private func exhaust(_ lab: Lab) throws -> RawConnection {
    try limit(lab, to: 4)
    let waiting = try lab.connect()
    try eventually("no descriptor left") { lab.gateway.log.contains("accept: Too many open files") }
    return waiting
  }

  @Test(arguments: ["sqlite", "memory"])
  func `without a descriptor left SIGTERM drains: requests in flight end, and the exit status is 0`(
    _ store: String
  ) throws {
    let lab = try lab(GatewayConfiguration { if store == "memory" { $0.store = ["type": "memory"] } }).withToken()
    let gate = Gate()
    defer { gate.open() }
    let idle = try lab.connect()
    #expect(try idle.send(Request.make("GET", "/x", body: nil)).receive(to: "GET").status == 404)
    let busy = try lab.begin(.held(by: gate))
    let waiting = try exhaust(lab)
    lab.gateway.signal(SIGTERM)
    try eventually("the end of an idle connection") { idle.socket.hasEnd }
    try eventually("the end of the backlog") { waiting.socket.hasEnd }
    gate.open()
    #expect(try busy.receive().status == 200)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.log.contains(#""msg":"stopped""#))
  }

  @Test func `clients that take all connections leave descriptors for upstreams, admin and SIGTERM`() throws {
    let lab = try Lab(isStarted: false)
    lab.gateway.prefix = Prefix.descriptors(64)
    try lab.gateway.start()
    let first = try lab.connect()
    let clients = try (0..<128).map { _ in try lab.connect() }
    try lab.awaitConnections(32)
    #expect(lab.gateway.log.contains(/fewer connections than listen.max_connections.*"connections":32/))
    for _ in 0..<3 { #expect(try first.send(Request.make()).receive().status == 200) }
    #expect(try lab.ask("/readyz").status == 200)
    try lab.reload(GatewayConfiguration().text)
    #expect(!lab.gateway.log.contains("Too many open files"))
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    withExtendedLifetime(clients) {}
  }

  @Test func `without a descriptor left a reload is refused with the reason, and the configuration stays in force`()
    throws
  {
    let lab = try lab().withToken()
    let kept = try lab.connect()
    #expect(try kept.send(Request.make()).receive().status == 200)
    let waiting = try exhaust(lab)
    lab.gateway.signal(SIGHUP)
    try eventually("the refusal of the reload") {
      lab.gateway.log.contains(/the new configuration is refused.*Too many open files/)
    }
    #expect(try kept.send(Request.make()).receive().status == 200)
    try limit(lab, to: 1000)
    #expect(try waiting.send(Request.make()).receive().status == 200)
    #expect(try lab.metric("gateway_config_last_reload_successful") == 0)
    try lab.reload(GatewayConfiguration().text)
  }

  @Test(arguments: [nil, "localhost"])
  func `without a descriptor left calls fail with an error, and all recovers afterwards`(_ host: String?) throws {
    let lab = try lab(GatewayConfiguration { $0.hasCatalogue = true }, host: host)
    let kept = try lab.connect()
    #expect(try kept.send(Request.make("GET", Request.objects, body: nil)).receive(to: "GET").status == 200)
    let waiting = try exhaust(lab)
    // Without an idle connection to the upstream, the name, the token and the call each need a descriptor.
    lab.upstream.dropIdle()
    try eventually("an error for want of a descriptor", within: 20) {
      let outcome = try kept.send(Request.make()).receive(within: 20).outcome
      return ["502 upstream_unreachable", "503 no_token"].contains(outcome)
    }
    let objects = try kept.send(Request.make("GET", Request.objects, body: nil)).receive(to: "GET")
    #expect([200, 503].contains(objects.status))
    #expect(lab.gateway.log.ranges(of: "accept: Too many open files").count <= 2, "reported once per loop")
    try limit(lab, to: 1000)
    try eventually("a served request", within: 20) { try waiting.send(Request.make()).receive().status == 200 }
    #expect(try lab.metric("process_max_fds") == 1000)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `run and the commands with a network refuse to start with too few descriptors, and name the limit`() throws
  {
    let program = try GatewayProcess(GatewayConfiguration().text, environment: Lab.environment(nil))
    program.prefix = Prefix.descriptors(12)
    for words in [["run"], ["check", "--live"], ["token", "status"]] {
      #expect(try program.runOnConfiguration(words) == 3, "\(words)")
      #expect(program.log.contains("the limit of the process is 12"))
      #expect(!program.standardOutput.contains("ready"))
    }
    #expect(try program.run("check") == 0)
  }
}
