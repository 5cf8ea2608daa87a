import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// An adapter that makes two calls for each operation.
private struct TwoCallAdapter: Adapter {
  static let typeName = "two-calls"
  static let operations: Set<AdapterAPI.Operation> = [.values, .set]
  let first = Gate()
  let second = Gate()
  let completed = Collected<String>()

  init() {}
  init(settings: Settings, context: AdapterContext) throws(ConfigError) {}

  var usesToken: Bool { false }
  var upstream: UpstreamIdentity { UpstreamIdentity(type: Self.typeName, address: "none", account: Secret("")) }

  func perform(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    guard let loop = EventLoop.current else { throw .malformed("not on a loop") }
    guard await first.pass(on: loop), await second.pass(on: loop) else {
      throw AdapterError(.cancelled, "The caller left.")
    }
    completed.add(request.operation.rawValue)
    return AdapterResponse(json: Array("{}".utf8))
  }
}

/// A weak reference, so that the test does not keep the exchange and its memory.
/// An exchange that has ended is nil.
private final class ExchangeReference {
  private(set) weak var exchange: Exchange?
  init(_ exchange: Exchange) { self.exchange = exchange }
}

@Suite struct WriteCancellationTests {
  private static let text = """
    version: 1
    listen: {address: "127.0.0.1:0"}
    auth: {keys: [{alg: HS256, secret: {env: SECRET}}]}
    store: {type: memory}
    adapters: {demo: {type: mock, settings: {}}}
    defaults: {adapter: demo}
    routes:
      - {method: POST, path: /values, operation: values, auth: none}
      - {method: POST, path: /set, operation: set, auth: none}

    """

  /// Sends a request to a pipeline with the adapter. Closes the connection during the adapter's first call, and lets that call end.
  private func leave(during path: String, _ adapter: TwoCallAdapter, _ check: () async -> Void) async throws {
    let checked = try #require(GatewayRig.source(Self.text).load().checked)
    try await withLoops { group in
      let services = Services(checked.configuration, group: group, log: GatewayRig.quietLog())
      let metrics = services.metrics.adapter("demo")
      let watch = UpstreamWatch(
        metrics: metrics, reporter: services.health.reporter(of: "adapter:demo"), log: services.log)
      let instance = AdapterInstance(
        configuration: checked.configuration.adapters[0], fingerprint: "", adapter: adapter,
        metrics: metrics, watch: watch, keeper: nil, tokenReporter: nil, budget: nil, writes: WriteEpoch(),
        sharing: services.sharing, clients: [], home: group.loops[0])
      let routes = checked.configuration.routes.map {
        Route($0, adapter: instance, metrics: services.metrics.route($0.path))
      }
      let snapshot = Snapshot(
        configuration: checked.configuration, routes: RouteTable(routes), adapters: [instance], keys: checked.keys,
        metrics: services.metrics)
      let exchanges = Collected<LoopBound<ExchangeReference>>()
      try await ServerRig.with { exchange in
        exchanges.add(LoopBound(ExchangeReference(exchange), on: exchange.loop))
        let pipeline = RequestPipeline(
          loop: exchange.loop, loops: 1, snapshot: snapshot, catalogue: services.catalogue, sharing: services.sharing,
          log: services.log, metrics: services.metrics)
        await pipeline.serve(exchange)
      } _: { rig in
        let client = try await rig.connect(sending: post(path, "{}"))
        #expect(await eventually { adapter.first.arrived == 1 })
        client.reset()
        let exchange = exchanges.all[0]
        #expect(await eventually { await onLoop(rig.loop) { exchange.value.exchange?.isGone ?? true } })
        adapter.first.open()
        await check()
        adapter.second.open()
        #expect(await eventually { await onLoop(rig.loop) { exchange.value.exchange?.task == nil } })
      }
    }
  }

  @Test func `a write whose client leaves between the adapter's two calls makes both`() async throws {
    let adapter = TwoCallAdapter()
    try await leave(during: "/set", adapter) {
      #expect(await eventually { adapter.second.arrived == 1 })
    }
    #expect(adapter.completed.all == ["set"])
  }

  @Test func `a read whose client leaves during the adapter's first call is cancelled`() async throws {
    let adapter = TwoCallAdapter()
    try await leave(during: "/values", adapter) {
      #expect(await eventually { adapter.first.cancelled == 1 })
    }
    #expect(adapter.second.arrived == 0 && adapter.completed.count == 0)
  }
}
