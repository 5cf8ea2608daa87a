import AdapterAPI

/// A vendor's adapter with its token keeper, budget and HTTP clients. Lives as long as a snapshot or a request holds it, and then shuts
/// its parts down in order.
final class AdapterInstance: Sendable {
  let name: String
  /// Unique for the life of the process.
  let number: Int
  let configuration: Configuration.AdapterInstance
  /// Identifies the configuration that it was built from; see `SnapshotBuilder`.
  let fingerprint: String
  let adapter: any Adapter
  /// The adapter with its client where it is a raw one: the most frequent calls, made without an async frame of the adapter's.
  let raw: (adapter: any RawAdapter, client: UpstreamClient)?
  let metrics: AdapterMetrics
  let watch: UpstreamWatch
  /// Nil for an adapter without tokens.
  let keeper: TokenKeeper?
  /// Reports the keeper's failures to `/readyz`; nil for an adapter without tokens.
  let tokenReporter: Health.Reporter?
  /// Nil without limits on the number of calls.
  let budget: BudgetKeeper?
  /// The write epoch of its upstream, shared by all instances with the same upstream address.
  let writes: WriteEpoch
  /// The upstream under which the codes that callers read are remembered; nil when the adapter lists all objects, or none.
  let readCodes: String?
  /// `X-Gateway-Source` of its responses.
  let source: String
  /// The time limit of a shared call, in nanoseconds.
  let callTime: Int64
  /// The address of its upstream without a path, for the log; nil for an adapter that uses no network.
  var address: String? { clients.first?.baseURL.origin }
  private let sharing: Sharing
  private let clients: [UpstreamClient]
  /// The loop that runs its shutdown.
  private let home: EventLoop

  init(
    configuration: Configuration.AdapterInstance, fingerprint: String, adapter: any Adapter, metrics: AdapterMetrics,
    watch: UpstreamWatch, keeper: TokenKeeper?, tokenReporter: Health.Reporter?, budget: BudgetKeeper?,
    writes: WriteEpoch, sharing: Sharing,
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
    self.watch = watch
    self.keeper = keeper
    self.tokenReporter = tokenReporter
    self.budget = budget
    self.writes = writes
    self.sharing = sharing
    number = sharing.newAdapterNumber()
    callTime = configuration.upstream.totalTimeout.nanoseconds
    self.clients = clients
    self.home = home
    source = type(of: adapter).source
    let kind = type(of: adapter)
    readCodes =
      kind.listsObjects && !kind.listsAllObjects ? "\(adapter.upstream.type)|\(adapter.upstream.address)" : nil
  }

  /// Updates the gauges that are computed for a page only.
  func updateGauges() {
    metrics.setTokenExpiry(keeper?.current?.token.expiresAt)
    metrics.setQueueLength(clients.reduce(0) { $0 + $1.queueLength })
    let counts = clients.map(\.connectionCounts)
    metrics.setConnections(idle: counts.reduce(0) { $0 + $1.idle }, active: counts.reduce(0) { $0 + $1.active })
    let remaining = budget?.remaining()
    metrics.setBudget(minute: remaining?.minute, hour: remaining?.hour, day: remaining?.day)
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
