import AdapterAPI

/// Builds a snapshot from a configuration that was found good; opens nothing.
struct SnapshotBuilder {
  let group: EventLoopGroup
  let resolver: Resolver
  let store: any TokenStore
  let sharing: Sharing
  let watch: StoreWatch
  let log: Log
  let metrics: Metrics
  let health: Health

  /// - Parameter previous: adapters whose configuration did not change are taken over whole, with token and connections.
  func build(_ loaded: LoadedConfiguration, _ configuration: Configuration, keys: KeyRing, previous: Snapshot?)
    -> Snapshot
  {
    var instances: [AdapterInstance] = []
    for wanted in configuration.usedAdapters {
      let fingerprint = fingerprint(of: wanted, loaded)
      if let kept = previous?.adapters.first(where: { $0.name == wanted.name && $0.fingerprint == fingerprint }) {
        instances.append(kept)
      } else if let made = make(
        wanted, loaded, configuration, fingerprint: fingerprint, previous: previous, others: instances)
      {
        instances.append(made)
      }
    }
    metrics.setPresent(adapters: instances.map(\.name))
    let mergers = mergers(of: instances)
    let routes = configuration.routes.compactMap { route in
      instances.first { $0.name == route.adapter }.map {
        Route(route, adapter: $0, metrics: metrics.route(route.path), merger: mergers[route.adapter])
      }
    }
    return Snapshot(
      configuration: configuration, routes: RouteTable(routes), adapters: instances, keys: keys, metrics: metrics)
  }

  /// New with each configuration: one that was switched off is tried again.
  private func mergers(of instances: [AdapterInstance]) -> [String: BatchMerger] {
    var mergers: [String: BatchMerger] = [:]
    for instance in instances {
      guard let merging = type(of: instance.adapter).merging else { continue }
      mergers[instance.name] = BatchMerger(
        merging, timeout: instance.callTime, metrics: instance.metrics, memory: sharing.memory,
        log: log.forAdapter(instance.name))
    }
    return mergers
  }

  /// What would make another adapter: its type and every setting, with secrets and files as they are now.
  private func fingerprint(of instance: Configuration.AdapterInstance, _ loaded: LoadedConfiguration) -> String {
    "\(instance.type) \(instance.upstream) " + loaded.resolver.resolvedText(of: instance.settings)
  }

  private func make(
    _ wanted: Configuration.AdapterInstance, _ loaded: LoadedConfiguration, _ configuration: Configuration,
    fingerprint: String, previous: Snapshot?, others: [AdapterInstance]
  ) -> AdapterInstance? {
    let clock = LoopClock(home: group.loops[0])
    let adapterLog = log.forAdapter(wanted.name)
    guard let made = MadeAdapter(wanted, loaded, group: group, resolver: resolver, clock: clock, log: adapterLog) else {
      return nil
    }
    let adapter = made.adapter
    let metrics = metrics.adapter(wanted.name)
    let before = previous?.adapters.first { $0.name == wanted.name }
    let budget = budget(wanted.upstream.budget, before: before?.budget)
    var keeper: TokenKeeper?
    if adapter.usesToken {
      keeper = before?.keeper.flatMap { takenOver($0, for: adapter, wanted, budget) }
      if keeper == nil {
        let key = tokenKey(for: adapter, wanted.name, configuration)
        keeper = self.keeper(for: adapter, wanted, key, budget, clock: clock, log: adapterLog, metrics: metrics)
      }
    }
    return AdapterInstance(
      configuration: wanted, fingerprint: fingerprint, adapter: adapter, metrics: metrics, keeper: keeper,
      budget: budget, writes: writes(to: adapter, among: others + (previous?.adapters ?? [])), sharing: sharing,
      clients: made.clients, home: group.loops[0])
  }

  /// A reload does not give anybody his calls again.
  private func budget(_ limits: CallBudget.Limits, before: BudgetKeeper?) -> BudgetKeeper? {
    if limits.isNone { return nil }
    if let before, before.limits == limits { return before }
    return BudgetKeeper(limits)
  }

  /// The epoch of the upstream's writes, which goes on over reloads, and is one where several instances have the same upstream:
  /// what one account has set, another reads.
  private func writes(to adapter: any Adapter, among instances: [AdapterInstance]) -> WriteEpoch {
    let upstream = adapter.upstream
    return instances.first { $0.adapter.upstream.address == upstream.address }?.writes ?? WriteEpoch()
  }

  /// The keeper that has this upstream's pair already, whatever else of the adapter was changed.
  private func takenOver(
    _ keeper: TokenKeeper, for adapter: any Adapter, _ wanted: Configuration.AdapterInstance, _ budget: BudgetKeeper?
  ) -> TokenKeeper? {
    guard keeper.upstream == identity(of: adapter) else { return nil }
    let limits = wanted.upstream
    keeper.serve(adapter, window: limits.refreshWindow, exchangeTimeout: limits.totalTimeout, budget: budget)
    return keeper
  }

  /// What a stored pair is bound to: a token never goes to another upstream than the one it came from.
  private func identity(of adapter: any Adapter) -> String {
    let upstream = adapter.upstream
    return "\(upstream.type)|\(upstream.address)|\(sha256Hex(upstream.account.exposed.utf8))"
  }

  /// A row that names no adapter, as EcoCtrl writes it, belongs to the only webtalk adapter; with several, to nobody.
  private func tokenKey(for adapter: any Adapter, _ name: String, _ configuration: Configuration) -> TokenKey {
    let webtalks = configuration.adapters.filter { $0.type == "webtalk" }
    return TokenKey(
      adapter: name, upstream: identity(of: adapter), isDefault: name == configuration.defaultAdapter,
      adopts: webtalks.count == 1 && webtalks.first?.name == name)
  }

  private func keeper(
    for adapter: any Adapter, _ wanted: Configuration.AdapterInstance, _ key: TokenKey, _ budget: BudgetKeeper?,
    clock: LoopClock, log: any AdapterLog, metrics: AdapterMetrics
  ) -> TokenKeeper {
    let health = health
    let watch = watch
    let component = "adapter:\(wanted.name)"
    let holder = LeaseHolder.new()
    return TokenKeeper(
      adapter: adapter, key: key, holder: holder, store: store, window: wanted.upstream.refreshWindow,
      exchangeTimeout: wanted.upstream.totalTimeout, budget: budget, clock: clock, executor: group.loops[0], log: log
    ) { event in
      switch event {
      case .refreshed, .authorized:
        metrics.recordRefresh(event == .refreshed ? .refreshed : .authorized)
        health.clear(component, "no_token")
      case .detached:
        metrics.recordRefresh(.detached)
        health.clear(component, "no_token")
      case .adopted: health.clear(component, "no_token")
      case .rejected: metrics.recordRefresh(.rejected)
      case .failed:
        metrics.recordRefresh(.failed)
        health.set(component, "no_token")
      case .storeDown: watch.report(holder, isUp: false)
      case .storeUp: watch.report(holder, isUp: true)
      case .ended:
        // It may have been the last to speak for an adapter that a reload has taken away or pointed elsewhere.
        watch.report(holder, isUp: true)
        health.clear(component, "no_token")
      }
    }
  }
}

extension Settings.Resolver {
  /// A text that changes when any value in the node changes, references looked up. Held in memory only, never printed.
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
