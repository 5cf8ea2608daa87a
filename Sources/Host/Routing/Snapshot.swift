import AdapterAPI

/// The routes, adapters and keys of one configuration. Immutable, built whole, swapped whole; a request uses the snapshot it began
/// with.
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
