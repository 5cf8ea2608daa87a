import AdapterAPI

/// The graph that a configuration gives: routes, adapters, keys. Immutable, built whole, swapped whole; a request keeps the one
/// it began with.
final class Snapshot: Sendable {
  let configuration: Configuration
  let routes: RouteTable
  let adapters: [AdapterInstance]
  let keys: KeyRing
  private let metrics: Metrics

  init(configuration: Configuration, routes: RouteTable, adapters: [AdapterInstance], keys: KeyRing, metrics: Metrics) {
    self.configuration = configuration
    self.routes = routes
    self.adapters = adapters
    self.keys = keys
    self.metrics = metrics
    metrics.snapshotsLive.add(1)
  }

  deinit { metrics.snapshotsLive.add(-1) }
}

/// A vendor's adapter with what the host keeps for it. Lives as long as a snapshot or a request holds it, then ends in order.
final class AdapterInstance: Sendable {
  let name: String
  /// No other instance has, or had, the same.
  let number: Int
  let configuration: Configuration.AdapterInstance
  /// Everything that made it; see `SnapshotBuilder`.
  let fingerprint: String
  let adapter: any Adapter
  /// The same where it is a raw one, with its client: such calls are the most frequent, and need none of the adapter's own waits.
  let raw: (adapter: any RawAdapter, client: UpstreamClient)?
  let metrics: AdapterMetrics
  /// Nil when the adapter uses no token.
  let keeper: TokenKeeper?
  /// Nil when the upstream may be asked as often as it is wanted.
  let budget: BudgetKeeper?
  /// The writes to its upstream, also those of other instances with the same address.
  let writes: WriteEpoch
  /// `X-Gateway-Source`.
  let source: String
  /// How long a call may take that belongs to no request, in nanoseconds.
  let callTime: Int64
  private let sharing: Sharing
  private let clients: [UpstreamClient]
  /// Where its end is carried out.
  private let home: EventLoop

  init(
    configuration: Configuration.AdapterInstance, fingerprint: String, adapter: any Adapter, metrics: AdapterMetrics,
    keeper: TokenKeeper?, budget: BudgetKeeper?, writes: WriteEpoch, sharing: Sharing,
    clients: [UpstreamClient], home: EventLoop
  ) {
    name = configuration.name
    self.configuration = configuration
    self.fingerprint = fingerprint
    self.adapter = adapter
    if let raw = adapter as? any RawAdapter, let client = raw.client as? UpstreamClient {
      self.raw = (raw, client)
    } else {
      raw = nil
    }
    self.metrics = metrics
    self.keeper = keeper
    self.budget = budget
    self.writes = writes
    self.sharing = sharing
    number = sharing.newAdapterNumber()
    callTime = configuration.upstream.totalTimeout.nanoseconds
    self.clients = clients
    self.home = home
    source = type(of: adapter).source
  }

  deinit {
    sharing.forget(adapter: number)
    Task(executorPreference: home) { [keeper, adapter, clients] in
      await keeper?.leave()
      await adapter.shutdown()
      for client in clients { client.shutdown() }
    }
  }
}
