import AdapterAPI

/// Builds the snapshot of a configuration that has passed every check.
///
/// Building opens nothing and changes nothing that is in force: `Build.activate` does, once the snapshot is installed.
struct SnapshotBuilder {
  private let services: Services

  init(_ services: Services) { self.services = services }

  struct Build {
    let snapshot: Snapshot
    fileprivate let activations: [@Sendable () -> Void]

    /// Starts the new token keepers, and hands those that are taken over their new adapter.
    func activate() { for activation in activations { activation() } }
  }

  /// - Parameter previous: An adapter whose configuration did not change is taken over from it, with token and connections.
  func build(_ checked: CheckedConfiguration, previous: Snapshot?) -> Build {
    let configuration = checked.configuration
    var instances: [AdapterInstance] = []
    var activations: [@Sendable () -> Void] = []
    for wanted in configuration.usedAdapters {
      let fingerprint = fingerprint(of: wanted, checked.loaded)
      if let same = previous?.adapters.first(where: { $0.name == wanted.name && $0.fingerprint == fingerprint }) {
        instances.append(same)
      } else if let (instance, activation) = make(
        wanted, checked, fingerprint: fingerprint, previous: previous, others: instances)
      {
        instances.append(instance)
        activations.append(activation)
      }
    }
    activations.insert({ [instances] in Self.endReports(of: previous?.adapters ?? [], notIn: instances) }, at: 0)
    let mergers = mergers(of: instances)
    let hasFront = configuration.routes.contains { $0.front != nil }
    let frontTokens = hasFront ? FrontTokens(configuration.auth) : nil
    let routes = configuration.routes.compactMap { route in
      instances.first { $0.name == route.adapter }.map { instance in
        let front = route.front.flatMap { front in frontTokens.map { Front(front, $0) } }
        return Route(
          route, adapter: instance, metrics: services.metrics.route(route.path), merger: mergers[route.adapter],
          front: front)
      }
    }
    let snapshot = Snapshot(
      configuration: configuration, routes: RouteTable(routes), adapters: instances, keys: checked.keys,
      metrics: services.metrics)
    return Build(snapshot: snapshot, activations: activations)
  }

  /// Removes what the adapters that are replaced or removed have reported. Requests in flight may use them for a while.
  private static func endReports(of previous: [AdapterInstance], notIn present: [AdapterInstance]) {
    for old in previous where !present.contains(where: { $0 === old }) {
      old.watch.end()
      if !present.contains(where: { $0.keeper === old.keeper }) { old.tokenReporter?.end() }
    }
  }

  /// A configuration has its own mergers, so that a reload tries a merger again that had switched itself off.
  private func mergers(of instances: [AdapterInstance]) -> [String: BatchMerger] {
    var mergers: [String: BatchMerger] = [:]
    for instance in instances {
      guard let merging = type(of: instance.adapter).merging else { continue }
      mergers[instance.name] = BatchMerger(
        merging, timeout: instance.callTime, metrics: instance.metrics, memory: services.memory,
        log: services.log.forAdapter(instance.name))
    }
    return mergers
  }

  /// Changes whenever another adapter would have to be made: the type and every setting, with secrets and files as they are now.
  private func fingerprint(of instance: Configuration.AdapterInstance, _ loaded: LoadedConfiguration) -> String {
    "\(instance.type) \(instance.upstream) " + loaded.resolver.resolvedText(of: instance.settings)
  }

  private func make(
    _ wanted: Configuration.AdapterInstance, _ checked: CheckedConfiguration, fingerprint: String,
    previous: Snapshot?, others: [AdapterInstance]
  ) -> (AdapterInstance, activation: @Sendable () -> Void)? {
    let metrics = services.metrics.adapter(wanted.name)
    let log = services.log.forAdapter(wanted.name)
    let component = "adapter:\(wanted.name)"
    let watch = UpstreamWatch(metrics: metrics, reporter: services.health.reporter(of: component), log: log)
    let made = AdapterFactory.make(
      wanted, checked.loaded, group: services.group, resolver: services.resolver, log: log,
      instruments: UpstreamInstruments(traffic: metrics.traffic, queueWait: metrics.queueWait), watch: watch)
    guard let made else { return nil }
    let adapter = made.adapter
    let before = previous?.adapters.first { $0.name == wanted.name }
    let budget = budget(wanted.upstream.budget, before: before?.budget)
    var keeper: TokenKeeper?
    var tokenReporter: Health.Reporter?
    var activateKeeper: (@Sendable () -> Void)?
    if adapter.usesToken {
      let limits = wanted.upstream
      // The keeper of the same upstream stays, whatever else has changed: two would spend the same refresh token.
      if let present = before?.keeper, present.upstream == identity(of: adapter) {
        keeper = present
        tokenReporter = before?.tokenReporter
        activateKeeper = {
          present.serve(adapter, window: limits.refreshWindow, exchangeTimeout: limits.totalTimeout, budget: budget)
        }
      } else {
        let key = tokenKey(for: adapter, wanted.name, checked.configuration)
        let reporter = services.health.reporter(of: component)
        let address = made.clients.first?.baseURL.origin
        let new = self.keeper(for: adapter, wanted, key, budget, metrics, reporter, address: address)
        keeper = new
        tokenReporter = reporter
        // In the background, so that a wrong credential or an upstream that does not respond is reported before the first caller comes.
        activateKeeper = {
          new.start()
          if address != nil { new.fetch() }
        }
      }
    }
    let instance = AdapterInstance(
      configuration: wanted, fingerprint: fingerprint, adapter: adapter, metrics: metrics, watch: watch,
      keeper: keeper, tokenReporter: tokenReporter, budget: budget,
      writes: writes(to: adapter, among: others + (previous?.adapters ?? [])),
      sharing: services.sharing, clients: made.clients, home: services.group.loops[0])
    let activation = { @Sendable [activateKeeper] in
      watch.begin()
      activateKeeper?()
    }
    return (instance, activation)
  }

  /// A budget with the same limits is taken over: a reload does not refill it.
  private func budget(_ limits: CallBudget.Limits, before: BudgetKeeper?) -> BudgetKeeper? {
    if limits.isNone { return nil }
    if let before, before.limits == limits { return before }
    return BudgetKeeper(limits)
  }

  /// The epoch of the upstream's writes. It continues over reloads, and all instances with the same upstream address share it: one
  /// account reads what another one has written.
  private func writes(to adapter: any Adapter, among instances: [AdapterInstance]) -> WriteEpoch {
    let upstream = adapter.upstream
    return instances.first { $0.adapter.upstream.address == upstream.address }?.writes ?? WriteEpoch()
  }

  /// The upstream that a stored pair belongs to. A token is never sent to another one.
  private func identity(of adapter: any Adapter) -> String {
    let upstream = adapter.upstream
    return "\(upstream.type)|\(upstream.address)|\(sha256Hex(upstream.account.exposed.utf8))"
  }

  /// A row without an adapter's name, as EcoCtrl writes it, belongs to the only adapter of the type that EcoCtrl uses. With several
  /// of them it belongs to none.
  private func tokenKey(for adapter: any Adapter, _ name: String, _ configuration: Configuration) -> TokenKey {
    let owners = SnapshotBuilder.unnamedRowOwners(in: configuration)
    return TokenKey(
      adapter: name, upstream: identity(of: adapter), isDefault: name == configuration.defaultAdapter,
      adopts: owners.count == 1 && owners.first?.name == name)
  }

  private static func unnamedRowOwners(in configuration: Configuration) -> [Configuration.AdapterInstance] {
    configuration.adapters.filter { $0.type == AdapterRegistry.unnamedTokenRowsOwner }
  }

  /// A token row without an adapter's name would be ignored, because several adapters could own it.
  static func unnamedRowsHaveNoOwner(in configuration: Configuration) -> Bool {
    unnamedRowOwners(in: configuration).count > 1
  }

  private func keeper(
    for adapter: any Adapter, _ wanted: Configuration.AdapterInstance, _ key: TokenKey, _ budget: BudgetKeeper?,
    _ metrics: AdapterMetrics, _ reporter: Health.Reporter, address: String?
  ) -> TokenKeeper {
    let storeWatch = services.storeWatch
    let holder = LeaseHolder.new()
    return TokenKeeper(
      adapter: adapter, key: key, holder: holder, store: services.store, window: wanted.upstream.refreshWindow,
      exchangeTimeout: wanted.upstream.totalTimeout, budget: budget, clock: services.clock,
      executor: services.group.loops[0], log: services.log.forAdapter(wanted.name, address: address)
    ) { event in
      if let outcome = event.outcome { metrics.recordRefresh(outcome) }
      switch event {
      case .refreshed, .authorized, .detached, .adopted: reporter.clear("no_token")
      case .rejected: break
      case .failed: reporter.set("no_token")
      case .storeDown: storeWatch.report(holder, isUp: false)
      case .storeUp: storeWatch.report(holder, isUp: true)
      case .ended:
        // A reload has removed this adapter or changed its upstream: what the keeper reported must not stay.
        storeWatch.report(holder, isUp: true)
        reporter.end()
      }
    }
  }
}

extension TokenEvent {
  /// The outcome of a token exchange that the metrics count; nil for an event that is none.
  fileprivate var outcome: RefreshOutcome? {
    switch self {
    case .refreshed: .refreshed
    case .authorized: .authorized
    case .detached: .detached
    case .rejected: .rejected
    case .failed: .failed
    case .adopted, .storeDown, .storeUp, .ended: nil
    }
  }
}

extension Settings.Resolver {
  /// Returns a text that changes when any value in the node changes, with references looked up. It holds secrets: never print it.
  func resolvedText(of node: ConfigNode) -> String {
    switch node.content {
    case .scalar(let text, let plain): return plain ? text : "'\(text)'"
    case .sequence(let items): return "[" + items.map { resolvedText(of: $0) }.joined(separator: ",") + "]"
    case .mapping(let entries):
      if entries.count == 1, case .scalar(let text, _) = entries[0].value.content {
        if entries[0].key == "env" { return "env:" + (environment(text) ?? "") }
        if entries[0].key == "file" { return "file:" + ((try? file(text).get()) ?? "") }
      }
      return "{" + entries.map { "\($0.key):" + resolvedText(of: $0.value) }.joined(separator: ",") + "}"
    }
  }
}
