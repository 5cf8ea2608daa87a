import AdapterAPI
import Synchronization

@testable import Host

/// A server on one loop, whose handler is the test's.
final class ServerRig: Sendable {
  private final class Handler: ExchangeHandler {
    let work: @Sendable (Exchange) async -> Void
    init(_ work: @escaping @Sendable (Exchange) async -> Void) { self.work = work }
    func serve(_ exchange: Exchange) async { await work(exchange) }
  }

  let loop: EventLoop
  let connections: ConnectionCount
  let memory: MemoryBudget
  let server: LoopBound<ServerContext>

  static func listen(_ change: (inout Configuration.Listen) -> Void = { _ in }) -> Configuration.Listen {
    var listen = Configuration.Listen(
      address: TestSocket.listenAddress, eventLoops: nil, eventLoopsPosition: .init(line: 1, column: 1))
    // So long that no test meets these times by chance, on a machine that is busy.
    listen.headerTimeout = .seconds(60)
    listen.bodyTimeout = .seconds(60)
    listen.sendTimeout = .seconds(60)
    change(&listen)
    return listen
  }

  private init(
    loop: EventLoop, listen: Configuration.Listen, connections: ConnectionCount,
    _ work: @escaping @Sendable (Exchange) async -> Void
  ) {
    self.loop = loop
    self.connections = connections
    let memory = MemoryBudget(limit: listen.maxMemory)
    self.memory = memory
    server = LoopBound(
      ServerContext(loop: loop, listen: listen, connections: connections, memory: memory, handler: Handler(work)), on: loop)
  }

  /// Runs the test with a server. Afterwards every connection has to be gone, and its memory with it.
  static func with(
    _ listen: Configuration.Listen = ServerRig.listen(), maxConnections: Int = 1000,
    handler: @escaping @Sendable (Exchange) async -> Void, _ test: (ServerRig) async throws -> Void
  ) async throws {
    try await withLoops { group in
      let connections = ConnectionCount(limit: maxConnections)
      let rig = ServerRig(loop: group.loops[0], listen: listen, connections: connections, handler)
      do {
        try await test(rig)
      } catch {
        await rig.end()
        throw error
      }
      await rig.end()
    }
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

  /// What a server still held after its end; a test looks at it.
  static let leftovers = Collected<String>()

  /// A client that is connected to it, and has sent something already.
  func connect(
    sending text: String = "", receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil
  ) async throws -> TestSocket {
    let (client, fd) = try TestSocket.pair(receiveBuffer: receiveBuffer, sendBuffer: sendBuffer)
    client.send(text)
    let server = server
    _ = connections.tryAdd()
    await onLoop(loop) { ServerConnection(fd: fd, server: server.value).start() }
    return client
  }
}

extension Exchange {
  var path: String { String(decoding: bytes(head.path), as: UTF8.self) }

  func answer(_ text: String, status: Int = 200) { respond(status, fields: Fields(), body: Array(text.utf8)) }

  /// Answers with the body that came, or with the fault.
  func echo(limit: Int = 1 << 20) async {
    do throws(HTTPFault) {
      let body = try await body(limit: limit)
      respond(200, fields: Fields(), body: body)
    } catch {
      answer(error.reason.description, status: error.status)
    }
  }
}

/// `GET` of that path.
func get(_ path: String, _ fields: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n" }

/// `POST` of that body.
func post(_ path: String, _ body: String, _ fields: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}
