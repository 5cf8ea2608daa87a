import AdapterAPI
import Glibc
import Synchronization

/// The running program: builds the graph from the configuration, starts it, swaps it on a reload, drains it.
///
/// Its methods are called by the main thread, which waits for signals; the work is done on the loops.
final class Gateway {
  /// Why it can't start, with the exit status.
  struct StartError: Error {
    var exitStatus: Int32
    var message: String
  }

  private let source: ConfigurationSource
  private let group: EventLoopGroup
  private let store: Store
  private let watch: StoreWatch
  private let catalogue: Catalogues
  private let sharing: Sharing
  private let builder: SnapshotBuilder
  private let log: Log
  private let metrics = Metrics()
  private let health = Health()
  private let connections: ConnectionCount
  private let memory: MemoryBudget
  private let services: [LoopBound<LoopServices>]
  private var snapshot: Snapshot
  private let socket: ListeningSocket
  private let adminSocket: ListeningSocket

  /// Where it can be reached.
  var address: SocketAddress { socket.address }
  var adminAddress: SocketAddress { adminSocket.address }

  /// Binds, builds and starts everything; returns when it accepts connections.
  init(_ checked: CheckedConfiguration, from source: ConfigurationSource, log: Log) throws(StartError) {
    self.source = source
    self.log = log
    metrics.watch(log)
    let configuration = checked.configuration
    do throws(ListeningSocket.BindError) {
      socket = try ListeningSocket(configuration.listen.address)
      adminSocket = try ListeningSocket(configuration.admin.address)
    } catch {
      throw StartError(exitStatus: 3, message: error.message)
    }
    group = EventLoopGroup(count: configuration.listen.eventLoops ?? System.availableCores())
    group.start()
    store = Store(StoreFactory.database(configuration.store))
    watch = StoreWatch(
      store, clock: LoopClock(home: group.loops[0]), executor: group.loops[0], health: health, metrics: metrics,
      log: log)
    connections = ConnectionCount(limit: configuration.listen.maxConnections)
    memory = MemoryBudget(limit: configuration.listen.maxMemory)
    catalogue = Catalogues(store: store, memory: memory)
    sharing = Sharing(memory: memory, home: group.loops[0])
    builder = SnapshotBuilder(
      group: group, resolver: Resolver(), store: store, sharing: sharing, watch: watch, log: log, metrics: metrics,
      health: health)
    services = group.loops.map { LoopBound(LoopServices(), on: $0) }
    snapshot = builder.build(checked.loaded, configuration, keys: checked.keys, previous: nil)
    try openStore(configuration)
    start(configuration)
  }

  /// Opens the store now, so that what is wrong with it is said at the start. Only a required store stops the start.
  private func openStore(_ configuration: Configuration) throws(StartError) {
    let store = store
    // Until it is known: a database that stands still, or whose schema somebody holds locked, says neither yes nor no.
    let silent = StoreError(
      .unavailable, "The store did not open within 10 s: it is overloaded, or another process is changing its schema.")
    let result = Mutex<Result<Bool, StoreError>>(.failure(silent))
    let webtalks = configuration.adapters.filter { $0.type == "webtalk" }.count
    wait(atMost: .seconds(10)) {
      do throws(StoreError) {
        try await store.open()
        let hasOrphans = webtalks > 1 ? try await store.tokenRows().contains { $0.adapter == nil } : false
        result.withLock { $0 = .success(hasOrphans) }
      } catch {
        result.withLock { $0 = .failure(error) }
      }
    }
    let error: StoreError
    switch result.withLock({ $0 }) {
    case .success(let hasOrphans):
      if hasOrphans {
        log.warning(
          "a token row that names no adapter is ignored, because there are several adapters of type webtalk", [])
      }
      return
    case .failure(let failure): error = failure
    }
    if configuration.store.required || error.preventsStart {
      throw StartError(exitStatus: error.needsOperator ? 1 : 3, message: error.message)
    }
    watch.report(isUp: false)
    log.warning("the store can't be opened; tokens are kept in memory only", [("detail", "\(error.message)")])
  }

  private func start(_ configuration: Configuration) {
    watch.start()
    for instance in snapshot.adapters { instance.keeper?.start() }
    let first = Mutex(snapshot)
    let parts = (group, socket, adminSocket, connections, memory, log, metrics, health, catalogue, sharing)
    let services = services
    let live = LiveAdapters(snapshot.adapters)
    self.live = live
    store.database.onTokenChange { name, version in
      live.all.first { $0.name == name }?.keeper?.noticed(version: version)
    }
    wait {
      for bound in services {
        await onLoop(bound.loop) {
          let (group, socket, adminSocket, connections, memory, log, metrics, health, catalogue, sharing) = parts
          let loop = bound.loop
          let pipeline = RequestPipeline(
            loop: loop, loops: group.loops.count, snapshot: first.withLock { $0 }, catalogue: catalogue,
            sharing: sharing, log: log, metrics: metrics)
          let server = ServerContext(
            loop: loop, listen: configuration.listen, connections: connections, memory: memory, handler: pipeline)
          bound.value.pipeline = pipeline
          bound.value.server = server
          bound.value.listener = Listener(socket, server: server)
          if loop.index == 0 {
            let pages = AdminPages(health: health, metrics: metrics, group: group) {
              metrics.connections.set(connections.current)
              for adapter in live.all { adapter.metrics.setTokenExpiry(adapter.keeper?.snapshot()?.expiresAt) }
            }
            let admin = ServerContext(
              loop: loop, listen: configuration.listen, connections: ConnectionCount(limit: 256),
              memory: MemoryBudget(limit: 16 << 20), handler: pages)
            bound.value.adminServer = admin
            bound.value.adminListener = Listener(adminSocket, server: admin)
            bound.value.adminListener?.start()
          }
          bound.value.listener?.start()
        }
      }
    }
    metrics.reloadSucceeded()
    health.start()
  }

  private var live = LiveAdapters([])
  /// The JWK sets as they were read last, good or not.
  private var keySetsSeen: [String] = []

  /// A client token signed with the first HS256 key, for the demo's greeting.
  func demoToken(lifetime: Duration) -> String? {
    for key in snapshot.configuration.auth.keys {
      guard case .secret(.HS256, let secret, _) = key.material else { continue }
      return TokenIssuer.issueHS256(
        secret: secret, subject: "demo", roles: ["admin"], rolesClaim: snapshot.configuration.auth.rolesClaim,
        issuer: nil,
        audience: nil, lifetime: lifetime, now: System.wall() / 1000)
    }
    return nil
  }

  // MARK: reload

  /// Reads the configuration anew: all of it is taken, or nothing.
  func reload() {
    let result = source.load()
    let file = result.loaded.file
    for problem in result.loaded.problems where !problem.stopsRun {
      log.warning("the configuration has a problem", [("problem", "\(ProblemPrinter.line(problem, file: file))")])
    }
    guard let checked = result.checked, result.loaded.stopping.isEmpty else {
      return refuseReload(result.loaded.stopping, file)
    }
    let fixed = fixedKeys(checked.configuration)
    guard fixed.isEmpty else { return refuseReload(fixed, file) }
    let next = builder.build(checked.loaded, checked.configuration, keys: checked.keys, previous: snapshot)
    for instance in next.adapters where !snapshot.adapters.contains(where: { $0 === instance }) {
      instance.keeper?.start()
    }
    swap(in: next)
    metrics.reloadSucceeded()
    health.clear("config")
    log.info("the configuration was reloaded", [("file", "\(file)")])
  }

  /// Hands a new graph to every loop. Requests in flight keep the one they began with.
  private func swap(in next: Snapshot) {
    let configuration = next.configuration
    log.configure(configuration.log)
    let services = services
    wait {
      for bound in services {
        await onLoop(bound.loop) {
          bound.value.pipeline?.use(next)
          bound.value.server?.use(configuration.listen)
        }
      }
    }
    snapshot = next
    live.set(next.adapters)
    connections.limit = configuration.listen.maxConnections
    memory.limit = configuration.listen.maxMemory
    sharing.keepWithinLimit()
  }

  /// There are JWK sets in files, which others may change at any time.
  var hasKeySets: Bool {
    snapshot.configuration.auth.keys.contains { if case .keySet = $0.material { true } else { false } }
  }

  /// Reads the JWK sets again. Keys that changed are in force at once; a set that is no good is refused, and the old keys go on.
  func lookAtKeySets() {
    var configuration = snapshot.configuration
    var texts: [String] = []
    for index in configuration.auth.keys.indices {
      guard case .keySet(let json, let path) = configuration.auth.keys[index].material else { continue }
      // A file that is just being replaced is looked at again the next time.
      let text = (try? TextFile.readText(path).get()) ?? json
      configuration.auth.keys[index].material = .keySet(json: text, path: path)
      texts.append(text)
    }
    guard texts != keySetsSeen, texts != snapshot.configuration.auth.keySets else { return keySetsSeen = texts }
    keySetsSeen = texts
    let problems = Settings.Problems()
    guard let keys = KeyRing.make(configuration.auth, problems: problems), !problems.hasErrors else {
      for problem in problems.all where problem.severity == .error {
        log.error("a changed JWK set is refused; the old keys go on", [("problem", "\(problem.message)")])
      }
      return
    }
    swap(
      in: Snapshot(
        configuration: configuration, routes: snapshot.routes, adapters: snapshot.adapters, keys: keys, metrics: metrics
      ))
    log.info("the JWK sets were read again", [])
  }

  private func refuseReload(_ problems: [ConfigError], _ file: String) {
    for problem in problems {
      log.error(
        "the new configuration is refused; the old one goes on",
        [("problem", "\(ProblemPrinter.line(problem, file: file))")])
    }
    metrics.reloadFailed()
  }

  /// What a reload can't change, where it was changed.
  private func fixedKeys(_ new: Configuration) -> [ConfigError] {
    let old = snapshot.configuration
    var problems: [ConfigError] = []
    func fixed(_ key: String, at position: SourcePosition) {
      problems.append(ConfigError("'\(key)' can't be changed by a reload; restart the gateway for it", at: position))
    }
    if new.listen.address != old.listen.address { fixed("listen.address", at: new.listen.address.position) }
    if new.listen.eventLoops != old.listen.eventLoops { fixed("listen.event_loops", at: new.listen.eventLoopsPosition) }
    if new.admin.address != old.admin.address { fixed("admin.address", at: new.admin.address.position) }
    var store = new.store
    store.position = old.store.position
    if store != old.store { fixed("store", at: new.store.position) }
    return problems
  }

  // MARK: end

  /// Stops accepting, lets what is in flight end within `drain_timeout`, then closes the store. Returns when done.
  func drain() {
    log.info(
      "draining: no new connections",
      [("timeoutMs", .int(Int(snapshot.configuration.listen.drainTimeout.milliseconds)))])
    health.drain()
    let services = services
    let connections = connections
    let deadline = Instant(nanoseconds: System.monotonic()) + snapshot.configuration.listen.drainTimeout
    let clock = LoopClock(home: group.loops[0])
    let socket = socket
    let sharing = sharing
    wait {
      for bound in services { await onLoop(bound.loop) { bound.value.listener?.stop() } }
      // Closed before the wait: whoever comes from now on is refused at once and goes elsewhere, instead of waiting in a backlog
      // that nobody looks at.
      socket.close()
      for bound in services { await onLoop(bound.loop) { bound.value.server?.drain() } }
      sharing.drain()
      while connections.current + connections.abandoned > 0, clock.now() < deadline {
        try? await clock.sleep(until: clock.now() + .milliseconds(20))
      }
    }
    let (left, followed) = (connections.current, connections.abandoned)
    if left + followed > 0 {
      log.warning(
        "drain_timeout is over; connections are cut", [("connections", .int(left)), ("abandoned", .int(followed))])
    }
    let keepers = snapshot.adapters.compactMap(\.keeper)
    let store = store
    watch.stop()
    wait(atMost: .seconds(5)) {
      for bound in services { await onLoop(bound.loop) { bound.value.server?.closeAll() } }
      // Side by side: each may wait for a store that does not answer, for as long as all of them together have.
      await withTaskGroup(of: Void.self) { stops in
        for keeper in keepers { stops.addTask { await keeper.stop() } }
      }
      // Writes that are still followed end now, so that the log says of each that its outcome is not known.
      for bound in services {
        await onLoop(bound.loop) { for object in bound.loop.allObjects { (object as? UpstreamConnection)?.cut() } }
      }
      let end = clock.now() + .milliseconds(500)
      while connections.abandoned > 0, clock.now() < end {
        try? await clock.sleep(until: clock.now() + .milliseconds(5))
      }
      await store.close()
    }
    log.info("stopped", [])
    _ = log.flush()
  }

  /// Runs the work as a task on the first loop and waits for it here, on the main thread.
  private func wait(atMost limit: Duration? = nil, _ work: @escaping @Sendable () async -> Void) {
    let done = ThreadSignal()
    Task(executorPreference: group.loops[0]) {
      await work()
      done.signal()
    }
    done.wait(atMost: limit)
  }
}

/// What one loop serves. Touched by its loop's thread only.
final class LoopServices {
  var pipeline: RequestPipeline?
  var server: ServerContext?
  var listener: Listener?
  var adminServer: ServerContext?
  var adminListener: Listener?
}

/// The adapters in force, for the pages that show them.
private final class LiveAdapters: Sendable {
  private let adapters: Mutex<[AdapterInstance]>
  init(_ adapters: [AdapterInstance]) { self.adapters = Mutex(adapters) }
  var all: [AdapterInstance] { adapters.withLock { $0 } }
  func set(_ adapters: [AdapterInstance]) { self.adapters.withLock { $0 = adapters } }
}

/// Runs the work on that loop, and returns when it is done.
private func onLoop(_ loop: EventLoop, _ work: @escaping @Sendable () -> Void) async {
  await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
    loop.post {
      work()
      continuation.resume()
    }
  }
}
