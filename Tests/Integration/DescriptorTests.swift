import Foundation
import TestSupport
import Testing

/// A gateway whose clients have taken every descriptor that it may open.
@Suite(.blocking) struct DescriptorTests {
  private static let limit = 64

  private func lab(_ configuration: GatewayConfiguration = GatewayConfiguration(), host: String? = nil) throws -> Lab {
    let upstream = try ScriptedWebTalk()
    let environment = host.map { ["BASE_URL": "http://\($0):\(upstream.port)"] } ?? [:]
    let lab = try Lab(configuration, upstream: upstream, environment: environment, isStarted: false)
    lab.gateway.prefix = Prefix.descriptors(Self.limit)
    try lab.gateway.start()
    return lab
  }

  /// Connects until the gateway has no descriptor left.
  private func exhaust(_ lab: Lab) throws -> [RawConnection] {
    var clients: [RawConnection] = []
    try eventually("no descriptor left", within: 20) {
      if clients.count < 2 * Self.limit { clients.append(try lab.connect()) }
      return lab.gateway.log.contains("Too many open files")
    }
    return clients
  }

  @Test(arguments: ["sqlite", "memory"])
  func `SIGTERM drains: a request in flight gets its response, and the exit status is 0`(_ store: String) throws {
    let lab = try lab(GatewayConfiguration { if store == "memory" { $0.store = ["type": "memory"] } }).withToken()
    let gate = Gate()
    defer { gate.open() }
    let busy = try lab.begin(.held(by: gate))
    let clients = try exhaust(lab)
    lab.gateway.signal(SIGTERM)
    try eventually("the end of an idle connection") { clients[0].socket.hasEnd }
    gate.open()
    #expect(try busy.receive().status == 200)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.log.contains(#""msg":"stopped""#))
  }

  @Test func `a reload is refused with the reason, and the previous configuration stays in force`() throws {
    let lab = try lab().withToken()
    let kept = try lab.connect()
    #expect(try kept.send(Request.make()).receive().status == 200)
    let clients = try exhaust(lab)
    lab.gateway.signal(SIGHUP)
    try eventually("the refusal of the reload") {
      lab.gateway.log.contains(/the new configuration is refused.*Too many open files/)
    }
    #expect(try kept.send(Request.make()).receive().status == 200)
    for client in clients { client.socket.close() }
    try eventually("a served request", within: 10) { (try? lab.call().status) == 200 }
    #expect(try lab.metric("gateway_config_last_reload_successful") == 0)
    try lab.reload(GatewayConfiguration().text)
  }

  @Test(arguments: [nil, "localhost"])
  func `calls that need a descriptor fail with an error, and all recovers when clients leave`(_ host: String?) throws {
    let lab = try lab(GatewayConfiguration { $0.hasCatalogue = true }, host: host)
    let kept = try lab.connect()
    #expect(try kept.send(Request.make("GET", Request.objects, body: nil)).receive(to: "GET").status == 200)
    let clients = try exhaust(lab)
    // Without an idle connection to the upstream, the name, the token and the call each need a descriptor.
    lab.upstream.dropIdle()
    try eventually("an error for want of a descriptor", within: 20) {
      let outcome = try kept.send(Request.make()).receive(within: 20).outcome
      return ["502 upstream_unreachable", "503 no_token"].contains(outcome)
    }
    let objects = try kept.send(Request.make("GET", Request.objects, body: nil)).receive(to: "GET")
    #expect([200, 503].contains(objects.status))
    #expect(lab.gateway.log.ranges(of: "accept: Too many open files").count <= 2, "reported once per loop")
    for client in clients { client.socket.close() }
    try eventually("a served request", within: 20) { (try? lab.call().status) == 200 }
    #expect(try lab.metric("process_max_fds") == Double(Self.limit))
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
