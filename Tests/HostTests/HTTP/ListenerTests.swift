import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct ListenerTests {
  private final class Hello: ExchangeHandler {
    func serve(_ exchange: Exchange) async { exchange.respond("hello") }
    func response(to refused: RefusedRequest) -> Response {
      Response(status: refused.fault.status, fields: Fields(), body: .bytes([]))
    }
  }

  private struct Parts: Sendable {
    let server: LoopBound<ServerContext>
    let listener: LoopBound<Listener>
  }

  /// Runs the test with a socket that every loop listens on.
  private func serving(
    loops: Int, limit: Int, _ test: (ListeningSocket, [Parts], ConnectionCount) async throws -> Void
  ) async throws {
    try await withLoops(loops) { group in
      let socket = try TestSocket.listen()
      let connections = ConnectionCount(limit: limit)
      let parts = group.loops.map { loop in
        let server = ServerContext(
          loop: loop, options: ServerOptions(), connections: connections, memory: MemoryBudget(limit: 1 << 20))
        let listener = Listener(socket, server: server, handler: Hello())
        return Parts(server: LoopBound(server, on: loop), listener: LoopBound(listener, on: loop))
      }
      for part in parts { await onLoop(part.server.loop) { part.listener.value.start() } }
      try await test(socket, parts, connections)
      for part in parts {
        await onLoop(part.server.loop) {
          part.listener.value.stop()
          part.server.value.closeAll()
        }
      }
      #expect(connections.current == 0)
      for part in parts { #expect(await onLoop(part.server.loop) { part.server.loop.allObjects.isEmpty }) }
      socket.close()
    }
  }

  @Test func `loops share a listening socket, and each connection is served`() async throws {
    try await serving(loops: 3, limit: 100) { socket, _, connections in
      var clients: [TestSocket] = []
      for _ in 0..<60 {
        let client = try #require(TestSocket.connect(to: socket.address))
        #expect(client.ask(get("/x"))?.text == "hello")
        clients.append(client)
      }
      #expect(connections.current == clients.count)
    }
  }

  @Test func `connections beyond the limit wait, and are served when earlier ones have ended`() async throws {
    try await serving(loops: 2, limit: 3) { socket, _, connections in
      let first = try (0..<3).map { _ in try #require(TestSocket.connect(to: socket.address)) }
      for client in first { #expect(client.ask(get("/x"))?.text == "hello") }
      let late = try (0..<2).map { _ in try #require(TestSocket.connect(to: socket.address)) }
      for client in late { client.send(get("/x")) }
      #expect(!late[0].isReadable(within: 120) && !late[1].isReadable(within: 1))
      #expect(connections.current == 3)
      first[0].close()
      first[1].close()
      for client in late { #expect(client.receiveMessage()?.text == "hello") }
      connections.limit = 10
      let more = try #require(TestSocket.connect(to: socket.address))
      #expect(more.ask(get("/x"))?.text == "hello")
    }
  }

  @Test func `a listener that stops accepts the backlog, and its requests get responses`() async throws {
    try await serving(loops: 1, limit: 100) { socket, parts, _ in
      let part = parts[0]
      let clients = Collected<TestSocket>()
      // This occupies the loop's thread: the connections wait in the backlog, their requests in the sockets.
      await onLoop(part.server.loop) {
        for _ in 0..<40 {
          guard let client = TestSocket.connect(to: socket.address) else { continue }
          client.send(get("/x"))
          clients.add(client)
        }
        part.listener.value.stop()
        socket.close()
        part.server.value.drain()
      }
      #expect(clients.count == 40)
      for client in clients.all {
        let response = client.receiveMessage()
        #expect(response?.text == "hello" && response?.keepsAlive == false)
      }
      #expect(TestSocket.connect(to: socket.address) == nil, "the socket is closed")
    }
  }

  @Test func `a port in use, or a host that is not numeric, throws a BindError`() throws {
    let first = try TestSocket.listen()
    let taken = first.address.port
    let error = try #require(throws: ListeningSocket.BindError.self) {
      try ListeningSocket(host: "127.0.0.1", port: taken)
    }
    #expect(error.message.contains("Another program listens there"))
    #expect(throws: ListeningSocket.BindError.self) { _ = try ListeningSocket(host: "localhost", port: 0) }
    first.close()
    first.close()
    _ = try ListeningSocket(host: "127.0.0.1", port: taken)
  }

  @Test func `ConnectionCount refuses connections at its limit`() {
    let count = ConnectionCount(limit: 2)
    #expect(count.tryAdd() && count.tryAdd() && !count.tryAdd())
    #expect(count.current == 2)
    count.remove()
    #expect(count.tryAdd())
    count.limit = 1
    count.remove()
    #expect(!count.tryAdd())
    #expect(count.current == 1)
  }

  @Test func `a host name is resolved off the loop, and an unknown one is unreachable`() async throws {
    let upstream = try ScriptedUpstream.answering(ok("by name"))
    let url = BaseURL(isTLS: false, host: "localhost", port: upstream.url.port, path: "")
    try await ClientRig.with(url) { rig in
      for _ in 0..<3 { #expect(await rig.send().text == "by name") }
      let calls = (0..<20).map { _ in rig.start() }
      for call in calls { #expect(await call.value.text == "by name") }
    }
    let nowhere = BaseURL(isTLS: false, host: "no-such-host.invalid", port: 80, path: "")
    try await ClientRig.with(nowhere) { rig in
      let response = await rig.send(write, within: 60_000)
      #expect(response.code == .unreachable && response.mayHaveActed == false)
    }
  }
}
