import AdapterAPI
import Synchronization

/// Makes the adapters that a configuration names. Opens nothing.
enum AdapterFactory {
  /// Returns the adapter and the HTTP clients that it was lent; nil when its type is unknown or its settings are wrong, which a
  /// checked configuration rules out.
  ///
  /// - Parameter watch: learns of the clients' requests whether the upstream can be reached.
  static func make(
    _ wanted: Configuration.AdapterInstance, _ loaded: LoadedConfiguration, group: EventLoopGroup, resolver: Resolver,
    log: any AdapterLog, instruments: UpstreamInstruments = UpstreamInstruments(), watch: UpstreamWatch? = nil
  ) -> (adapter: any Adapter, clients: [UpstreamClient])? {
    guard let type = AdapterRegistry.type(named: wanted.type) else { return nil }
    let clients = Mutex<[UpstreamClient]>([])
    let clock = LoopClock(home: group.loops[0])
    let context = AdapterContext(name: wanted.name, clock: clock, log: log) { baseURL in
      let client = UpstreamClient(
        baseURL: baseURL, limits: wanted.upstream, credentialFields: type.credentialFields, group: group,
        resolver: resolver, instruments: instruments, observer: watch.map { UpstreamObserver($0, of: baseURL) })
      clients.withLock { $0.append(client) }
      return client
    }
    guard let adapter = try? type.init(settings: loaded.settings(for: wanted), context: context) else { return nil }
    return (adapter, clients.withLock { $0 })
  }
}

extension Configuration {
  /// The adapters that a route names and, where objects are routed, those that can list all objects, because a sync names its adapter
  /// itself. An unused adapter is not made, and needs no token.
  var usedAdapters: [AdapterInstance] {
    let hasSync = routes.contains { $0.target == .resource(.objects) }
    return adapters.filter { adapter in
      routes.contains { $0.adapter == adapter.name }
        || hasSync && AdapterRegistry.type(named: adapter.type).map { $0.listsObjects && $0.listsAllObjects } == true
    }
  }
}
