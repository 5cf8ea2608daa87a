import AdapterAPI
import Synchronization

/// The running gateway: builds everything from a configuration, serves, takes a new configuration, ends.
///
/// ```
/// init (bind, build, open the store, start) → reload or key-set change, any number of times → drain
/// ```
/// Its methods are called on the main thread, which waits for signals. The work is done on the event loops.
final class Gateway {
  /// The reason why the gateway can't start, with the exit status of the process.
  struct StartError: Error {
    var exitStatus: Int32
    var message: String
  }

  let source: ConfigurationSource
  let services: Services
  let loops: [LoopBound<LoopServer>]
  let socket: ListeningSocket
  let adminSocket: ListeningSocket
  let activeAdapters = ActiveAdapters()
  var snapshot: Snapshot
  /// The store could be opened at the start.
  var isStoreOpen = false
  private let builder: SnapshotBuilder
  private var keySets = KeySetWatch()

  /// The address of the public listener, with the port that the system chose where the configuration says 0.
  var address: SocketAddress { socket.address }
  /// The address of the admin listener.
  var adminAddress: SocketAddress { adminSocket.address }

  /// Binds, builds and starts everything. Returns when connections are accepted.
  ///
  /// - Throws: `StartError` with exit status 3 when an address or a required store is out of reach, 1 when an operator must change
  ///   the store or the configuration.
  init(_ checked: CheckedConfiguration, from source: ConfigurationSource, log: Log) throws(StartError) {
    self.source = source
    let configuration = checked.configuration
    (socket, adminSocket) = try Gateway.bind(configuration)
    let group = EventLoopGroup(count: Gateway.loopCount(configuration))
    group.start()
    services = Services(configuration, group: group, log: log)
    builder = SnapshotBuilder(services)
    loops = services.group.loops.map { LoopBound(LoopServer(), on: $0) }
    let build = builder.build(checked, previous: nil)
    snapshot = build.snapshot
    try openStore(configuration)
    start(build)
  }

  private static func loopCount(_ configuration: Configuration) -> Int {
    configuration.listen.eventLoops ?? System.availableCores()
  }

  private static func descriptors(_ configuration: Configuration) -> DescriptorBudget {
    DescriptorBudget(
      configuration, loops: loopCount(configuration), available: System.descriptorLimit.map(Int.init(clamping:)))
  }

  /// Limits the clients' connections to what the configuration and the descriptors of the process allow.
  func limitConnections(_ configuration: Configuration) {
    let limit = Gateway.descriptors(configuration).clients
    services.connections.limit = limit
    guard limit < configuration.listen.maxConnections else { return }
    services.log.info(
      "fewer connections than listen.max_connections are accepted: the process may open too few files (ulimit -n)",
      [("connections", .int(limit)), ("maxConnections", .int(configuration.listen.maxConnections))])
  }

  /// Checks that the process may open the descriptors that it takes to start. To be called before `init`, which needs them.
  ///
  /// - Throws: `StartError` with exit status 3.
  static func checkDescriptors(_ configuration: Configuration) throws(StartError) {
    guard System.canOpen(descriptors(configuration).start) else {
      throw StartError(exitStatus: 3, message: System.tooFewDescriptors)
    }
  }

  /// Binds both addresses, so that one start reports every busy port.
  private static func bind(_ configuration: Configuration) throws(StartError) -> (ListeningSocket, ListeningSocket) {
    let (listen, admin) = (configuration.listen.address, configuration.admin.address)
    var problems: [String] = []
    func socket(_ key: String, _ address: Configuration.Address) -> ListeningSocket? {
      do throws(ListeningSocket.BindError) {
        return try ListeningSocket(address)
      } catch {
        problems.append("\(key): \(error.message)")
        return nil
      }
    }
    let sockets = (socket("listen.address", listen), socket("admin.address", admin))
    guard let first = sockets.0, let second = sockets.1 else {
      let needed = "The gateway needs both listen.address \(listen) and admin.address \(admin)."
      throw StartError(exitStatus: 3, message: (problems + [needed]).joined(separator: " "))
    }
    return (first, second)
  }

  // MARK: configuration

  /// Builds the graph of a new configuration and puts it in force on every loop. Requests in flight keep the graph that they began
  /// with.
  func install(_ checked: CheckedConfiguration) {
    let build = builder.build(checked, previous: snapshot)
    build.activate()
    install(build.snapshot)
  }

  private func install(_ next: Snapshot) {
    let configuration = next.configuration
    services.log.configure(LogOptions(configuration.log))
    onEachLoop { server in server.use(next) }
    snapshot = next
    activeAdapters.set(next.adapters)
    services.metrics.setPresent(adapters: next.adapters.map(\.name))
    limitConnections(configuration)
    services.memory.limit = configuration.listen.maxMemory
    services.sharing.evictToLimit()
  }

  /// The configuration has JWK sets in files, which other programs may replace at any time.
  var hasKeySets: Bool { KeySetWatch.applies(to: snapshot.configuration.auth) }

  /// Reads the JWK sets again. Changed keys are in force at once; an unusable set is refused, and the previous keys stay in force.
  func checkKeySets() {
    guard let change = keySets.readAgain(snapshot.configuration.auth) else { return }
    switch change {
    case .refused(let problems):
      for problem in problems {
        services.log.error(
          "a changed JWK set is refused; the previous keys stay in force", [("problem", "\(problem.message)")])
      }
    case .changed(let auth, let keys, let warnings):
      for problem in warnings {
        services.log.warning("a changed JWK set has a problem", [("problem", "\(problem.message)")])
      }
      var configuration = snapshot.configuration
      configuration.auth = auth
      install(
        Snapshot(
          configuration: configuration, routes: snapshot.routes, adapters: snapshot.adapters, keys: keys,
          metrics: services.metrics))
      services.log.info("the JWK sets were read again", [("keys", .int(keys.keys.count))])
    }
  }

  /// Returns a client token that is signed with the first HS256 key, for the demo's greeting; nil when there is no such key.
  func demoToken(lifetime: Duration) -> String? {
    let auth = snapshot.configuration.auth
    return auth.firstSharedSecret.map {
      TokenIssuer.issueHS256(
        secret: $0, subject: "demo", roles: ["admin"], rolesClaim: auth.rolesClaim, issuer: nil, audience: nil,
        lifetime: lifetime, now: System.wall() / 1000)
    }
  }

  // MARK: the main thread and the loops

  /// Runs the work as a task on the first loop; returns when it has ended, or after `limit`.
  func wait(atMost limit: Duration? = nil, _ work: @escaping @Sendable () async -> Void) {
    let done = ThreadSignal()
    Task(executorPreference: services.group.loops[0]) {
      await work()
      done.signal()
    }
    done.wait(atMost: limit)
  }

  /// Runs the work on each loop, one after another, and returns when it has ended on the last one.
  func onEachLoop(_ work: @escaping @Sendable (LoopServer) -> Void) {
    let loops = loops
    wait { await loops.forEachOnLoop(work) }
  }
}

extension Sequence<LoopBound<LoopServer>> {
  /// Runs the work on each server's own loop, one after another.
  func forEachOnLoop(_ work: @escaping @Sendable (LoopServer) -> Void) async {
    for bound in self {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        bound.loop.post {
          work(bound.value)
          continuation.resume()
        }
      }
    }
  }
}
