import AdapterAPI
import Synchronization
import TestSupport

@testable import Host

/// A server on one loop with the handler of a test.
final class ServerRig: Sendable {
  private final class Handler: ExchangeHandler {
    let work: @Sendable (Exchange) async -> Void
    init(_ work: @escaping @Sendable (Exchange) async -> Void) { self.work = work }
    func serve(_ exchange: Exchange) async { await work(exchange) }
    func response(to refused: RefusedRequest) -> Response {
      Response(GatewayError(refused.fault), requestID: "rig")
    }
  }

  let loop: EventLoop
  let connections: ConnectionCount
  let memory: MemoryBudget
  let server: LoopBound<ServerContext>
  private let tasks: LoopBound<ExchangeTasks>
  /// The details of refused registrations.
  let reports = Collected<String>()

  /// Timeouts of a minute, which no test reaches by chance on a busy machine, except those that the test changes.
  static func timeouts(_ change: (inout ServerTimeouts) -> Void = { _ in }) -> ServerTimeouts {
    let minute = Duration.seconds(60).nanoseconds
    var timeouts = ServerTimeouts(header: minute, body: minute, send: minute, idle: minute)
    change(&timeouts)
    return timeouts
  }

  private init(
    loop: EventLoop, timeouts: ServerTimeouts, memory limit: Int, maxConnections: Int,
    _ work: @escaping @Sendable (Exchange) async -> Void
  ) {
    self.loop = loop
    connections = ConnectionCount(limit: maxConnections)
    memory = MemoryBudget(limit: limit)
    let options = ServerOptions(timeouts: timeouts)
    let reports = reports
    let context = ServerContext(
      loop: loop, options: options, connections: connections, memory: memory, report: { reports.add($0) })
    server = LoopBound(context, on: loop)
    tasks = LoopBound(ExchangeTasks(server: context, handler: Handler(work)), on: loop)
  }

  /// Runs the test with a server. Afterwards all connections and their memory have to be released.
  static func with(
    _ timeouts: ServerTimeouts = ServerRig.timeouts(), memory: Int = 256 << 20, maxConnections: Int = 1000,
    handler: @escaping @Sendable (Exchange) async -> Void, _ test: (ServerRig) async throws -> Void
  ) async throws {
    try await withLoops { group in
      let rig = ServerRig(
        loop: group.loops[0], timeouts: timeouts, memory: memory, maxConnections: maxConnections, handler)
      do {
        try await test(rig)
      } catch {
        await rig.end()
        throw error
      }
      await rig.end()
    }
  }

  /// Runs the test with a server and one client.
  static func withClient(
    _ timeouts: ServerTimeouts = ServerRig.timeouts(), handler: @escaping @Sendable (Exchange) async -> Void,
    _ test: (ServerRig, TestSocket) async throws -> Void
  ) async throws {
    try await with(timeouts, handler: handler) { rig in try await test(rig, try await rig.connect()) }
  }

  private func end() async {
    let server = server
    await onLoop(loop) { server.value.closeAll() }
    let loop = loop
    if await !eventually({ await onLoop(loop) { loop.allObjects.isEmpty } && self.connections.current == 0 }) {
      ServerRig.leftovers.add("connections \(connections.current)")
    }
    if await !eventually({ self.memory.used == 0 }) { ServerRig.leftovers.add("memory \(memory.used)") }
  }

  /// Connections and memory that servers still held after their end; a test checks that there are none.
  static let leftovers = Collected<String>()

  /// Returns a connected client that has sent the first text before the server got the connection, and the second one
  /// afterwards. The sizes of both sockets' buffers are those of the system unless given.
  func connect(
    sending text: String = "", then rest: String = "", buffers: Int32? = nil
  ) async throws -> TestSocket {
    let (client, fd) = try TestSocket.pair(receiveBuffer: buffers, sendBuffer: buffers)
    client.send(text)
    await onLoop(loop) { self.open(fd) }
    client.send(rest)
    return client
  }

  /// Returns the response that a client of its own gets.
  func ask(_ request: String) async throws -> TestMessage? { try await connect().ask(request) }

  /// Gives the server a connection, on the loop.
  func open(_ fd: Int32) {
    _ = connections.tryAdd()
    ServerConnection(fd: fd, tasks: tasks.value).start()
  }
}

extension Exchange {
  var path: String { String(decoding: bytes(head.path), as: UTF8.self) }

  func respond(_ text: String, status: Int = 200) { respond(Array(text.utf8), status: status) }

  func respond(_ body: [UInt8], status: Int = 200) {
    respondAtOnce(Response(status: status, fields: Fields(), body: .bytes(body)))
  }

  /// Responds with a stream; false when it broke off.
  @discardableResult
  func respond(_ stream: any BodyStream) async -> Bool {
    do throws(AdapterError) {
      try await respond(Response(status: 200, fields: Fields(), body: .stream(prefix: [], rest: stream)))
      return true
    } catch {
      return false
    }
  }

  /// Responds with the request's body, or with the fault.
  func echo(limit: Int = 1 << 20) async {
    do throws(HTTPFault) {
      let body = try await body(limit: limit)
      respond(body)
    } catch {
      respond(error.reason.description, status: error.status)
    }
  }
}

/// `GET` of that path.
func get(_ path: String, _ fields: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n" }

/// `POST` of that body.
func post(_ path: String, _ body: String, _ fields: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

/// A stream of pieces of one size, all of them available at once.
final class ScriptedBody: BodyStream {
  let remaining: Int?
  /// The number of pieces taken.
  var taken: Int { next.load(ordering: .relaxed) }
  private let next = Atomic(0)
  private let count: Int
  private let size: Int
  private let breaksOff: Bool

  /// - Parameter breaksOff: the stream ends with an error.
  init(_ count: Int, size: Int = 64 << 10, hasLength: Bool = false, breaksOff: Bool = false) {
    self.count = count
    self.size = size
    self.breaksOff = breaksOff
    remaining = hasLength ? count * size + (breaksOff ? 1 : 0) : nil
  }

  /// The whole body.
  var whole: [UInt8] { (0..<count).flatMap(piece) }

  private func piece(_ number: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(ascii: "a") + UInt8(number % 26), count: size)
  }

  func next() async throws(AdapterError) -> [UInt8]? {
    let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
    if number < count { return piece(number) }
    if breaksOff { throw .malformed("broken off") }
    return nil
  }

  func cancel() {}
}
