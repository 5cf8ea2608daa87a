/// The parts of the gateway that outlive a reload: one of each in a process.
///
/// Every part may be used on any thread.
struct Services: Sendable {
  let group: EventLoopGroup
  let resolver = Resolver()
  let store: Store
  let storeWatch: StoreWatch
  let catalogue: Catalogues
  let sharing: Sharing
  let connections: ConnectionCount
  let memory: MemoryBudget
  let metrics: Metrics
  let health = Health()
  let log: Log

  /// Makes the parts. Opens neither the store nor a connection.
  ///
  /// - Parameter group: Loops that have been started.
  init(_ configuration: Configuration, group: EventLoopGroup, log: Log) {
    self.group = group
    self.log = log
    metrics = Metrics()
    metrics.watch(log)
    store = Store(StoreFactory.database(configuration.store))
    storeWatch = StoreWatch(
      store, clock: LoopClock(home: group.loops[0]), executor: group.loops[0], health: health, metrics: metrics,
      log: log)
    connections = ConnectionCount(limit: configuration.listen.maxConnections)
    memory = MemoryBudget(limit: configuration.listen.maxMemory)
    catalogue = Catalogues(store: store, memory: memory)
    sharing = Sharing(memory: memory, home: group.loops[0])
  }

  /// The clock of tasks that belong to no request. They run on the first loop.
  var clock: LoopClock { LoopClock(home: group.loops[0]) }
}
