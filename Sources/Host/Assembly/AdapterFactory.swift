import AdapterAPI
import Synchronization

/// A vendor's adapter as the configuration wants it, with the HTTP clients that it was lent. Opens nothing.
struct MadeAdapter: Sendable {
  let adapter: any Adapter
  let clients: [UpstreamClient]

  init?(
    _ wanted: Configuration.AdapterInstance, _ loaded: LoadedConfiguration, group: EventLoopGroup, resolver: Resolver,
    clock: LoopClock, log: any AdapterLog
  ) {
    guard let type = AdapterRegistry.type(named: wanted.type) else { return nil }
    let clients = Mutex<[UpstreamClient]>([])
    let context = AdapterContext(name: wanted.name, clock: clock, log: log) { baseURL in
      let client = UpstreamClient(baseURL: baseURL, limits: wanted.upstream, group: group, resolver: resolver)
      clients.withLock { $0.append(client) }
      return client
    }
    guard let adapter = try? type.init(settings: loaded.settings(for: wanted), context: context) else { return nil }
    self.adapter = adapter
    self.clients = clients.withLock { $0 }
  }
}

extension Configuration {
  /// What a route names, and where objects are routed, all that can list some: a sync names its adapter itself. One that
  /// nobody asks is not made, and needs no token.
  var usedAdapters: [AdapterInstance] {
    let hasSync = routes.contains { $0.target == .resource(.objects) }
    return adapters.filter { adapter in
      routes.contains { $0.adapter == adapter.name }
        || hasSync && AdapterRegistry.type(named: adapter.type)?.listsObjects == true
    }
  }
}
