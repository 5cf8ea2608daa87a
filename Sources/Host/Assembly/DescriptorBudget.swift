/// The division of the process's descriptors (RLIMIT_NOFILE) between the clients and everything else.
struct DescriptorBudget {
  /// The descriptors that it takes to start.
  let start: Int
  /// The number of client connections.
  let clients: Int

  /// For the listeners, admin connections, the store and files.
  private static let own = 32

  /// - Parameter available: the descriptors that the process may have; nil where that is not known.
  init(_ configuration: Configuration, loops: Int, available: Int?) {
    let start = DescriptorBudget.own + 2 * loops
    let wanted = configuration.listen.maxConnections
    self.start = start
    guard let available else {
      clients = wanted
      return
    }
    // Otherwise clients that take all descriptors would leave none for the calls that they wait for.
    let upstreams = configuration.usedAdapters.reduce(0) { $0 + $1.upstream.maxConnections }
    clients = min(wanted, max(1, available - min(available / 2, start + upstreams)))
  }
}
