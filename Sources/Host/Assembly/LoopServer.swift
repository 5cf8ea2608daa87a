import Synchronization

/// The servers of one event loop: the public one, and on the first loop the admin server. Used on its loop's thread only.
final class LoopServer {
  private var pipeline: RequestPipeline?
  private var server: ServerContext?
  private var listener: Listener?
  private var adminServer: ServerContext?
  private var adminListener: Listener?

  /// The admin server's own limits, so that a full gateway still shows its state: connections, and bytes of memory.
  private static let adminConnections = 256
  private static let adminMemory = 16 << 20

  /// Starts to accept connections of the public listener.
  func start(_ services: Services, _ snapshot: Snapshot, on socket: ListeningSocket) {
    guard let loop = EventLoop.current else { return }
    let pipeline = RequestPipeline(
      loop: loop, loops: services.group.loops.count, snapshot: snapshot, catalogue: services.catalogue,
      sharing: services.sharing, log: services.log, metrics: services.metrics)
    let server = ServerContext(
      loop: loop, options: ServerOptions(snapshot.configuration.listen), connections: services.connections,
      memory: services.memory, traffic: services.metrics.traffic, report: LoopServer.report(to: services.log))
    self.pipeline = pipeline
    self.server = server
    listener = Listener(socket, server: server, handler: pipeline)
    listener?.start()
  }

  private static func report(to log: Log) -> (String) -> Void {
    { log.error("the kernel refused a socket; new connections wait or are closed", [("detail", "\($0)")]) }
  }

  /// The server runs on the first loop, where the admin listener lives.
  var isFirst: Bool { EventLoop.current?.index == 0 }

  /// Starts to accept connections of the admin listener.
  func startAdmin(
    _ services: Services, _ snapshot: Snapshot, on socket: ListeningSocket, _ adapters: ActiveAdapters
  ) {
    guard let loop = EventLoop.current else { return }
    let pages = AdminPages(
      health: services.health, metrics: services.metrics, group: services.group, log: services.log
    ) {
      services.metrics.connections.set(services.connections.current)
      for adapter in adapters.all { adapter.updateGauges() }
    }
    let server = ServerContext(
      loop: loop, options: ServerOptions(snapshot.configuration.listen),
      connections: ConnectionCount(limit: LoopServer.adminConnections),
      memory: MemoryBudget(limit: LoopServer.adminMemory), report: LoopServer.report(to: services.log))
    adminServer = server
    adminListener = Listener(socket, server: server, handler: pages)
    adminListener?.start()
  }

  /// Serves requests that begin from now on with this snapshot.
  func use(_ snapshot: Snapshot) {
    pipeline?.use(snapshot)
    server?.options = ServerOptions(snapshot.configuration.listen)
  }

  /// Stops accepting connections.
  func stopListening() { listener?.stop() }

  /// Closes idle connections, and the active ones after their response.
  func drain() { server?.drain() }

  /// Makes the requests that have no response end at once, because `drain_timeout` is over.
  func cutRequests() { server?.cutRequests() }

  /// The number of requests that were cut and have no response yet.
  var unansweredCount: Int { server?.unansweredCount ?? 0 }

  /// Responds to the requests whose calls could not be ended, and breaks off the responses that have begun.
  func endRequests() { server?.endRequests() }

  /// Closes every connection at once.
  func closeConnections() { server?.closeAll() }

  /// The requests that `drain_timeout` ended.
  var cuts: CutRequests { server?.cuts ?? CutRequests() }
}

/// The adapters of the snapshot in force, for the pages and callbacks that need them on any thread.
final class ActiveAdapters: Sendable {
  private let adapters = Mutex<[AdapterInstance]>([])

  var all: [AdapterInstance] { adapters.withLock { $0 } }
  func set(_ adapters: [AdapterInstance]) { self.adapters.withLock { $0 = adapters } }
}
