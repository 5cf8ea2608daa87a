import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamRetryTests {
  /// Serves one request on the first connection and then ends it with `end`; serves every request on the rest.
  private func dying(_ end: @escaping @Sendable (TestSocket) -> Void) throws -> ScriptedUpstream {
    try ScriptedUpstream { peer in
      while peer.takeRequest() != nil {
        peer.send(ok("from \(peer.number)"))
        if peer.number == 0 { return end(peer.socket) }
      }
    }
  }

  @Test func `an idle connection that has ended is replaced silently, for a write too`() async throws {
    for request in [HTTPRequest(.get, "/x"), write] {
      for isReset in [false, true] {
        let upstream = try dying { isReset ? $0.reset() : $0.close() }
        try await ClientRig.with(upstream.url, [{ $0.readRetries = 0 }]) { rig in
          #expect(await rig.send(request).text == "from 0")
          #expect(await eventually { await rig.connections() == 0 }, "the idle connection has closed")
          #expect(await rig.send(request).text == "from 1")
          #expect(upstream.requests.count == 2)
        }
      }
    }
  }

  @Test func `an idle connection whose end was not reported yet is replaced before a byte of a write leaves`()
    async throws
  {
    let (go, gone) = (ThreadSignal(), ThreadSignal())
    let upstream = try dying { socket in
      go.wait()
      socket.finish()
      gone.signal()
      _ = socket.receiveAll()
    }
    try await ClientRig.with(upstream.url, [{ $0.readRetries = 0 }]) { rig in
      #expect(await rig.send(write).text == "from 0")
      let client = rig.client
      let second = await task(on: rig.loop) { () -> String? in
        // The loop's thread is busy here, so that it handles no events: only the socket itself has the end.
        go.signal()
        gone.wait()
        guard let response = try? await client.send(write, deadline: inMilliseconds(60_000)) else { return nil }
        return String(decoding: response.body.prefix, as: UTF8.self)
      }.value
      #expect(second == "from 1")
      #expect(upstream.requests.count == 2)
    }
  }

  @Test func `a read without a response is sent again read_retries times, a write never`() async throws {
    let upstream = try ScriptedUpstream { peer in _ = peer.takeRequest() }
    try await ClientRig.with(upstream.url, [{ $0.readRetries = 2 }]) { rig in
      let read = await rig.send()
      #expect(read.code == .unreachable && read.mayHaveActed == true)
      #expect(upstream.requests.count == 3)
      let written = await rig.send(write)
      #expect(written.code == .unreachable && written.mayHaveActed == true)
      #expect(upstream.requests.count == 4)
    }
  }

  @Test func `a write on a used connection that breaks before the response is not sent twice`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send(ok("first"))
      _ = peer.takeRequest()
      peer.socket.reset()
    }
    try await ClientRig.with(upstream.url) { rig in
      #expect(await rig.send(write).text == "first")
      let second = await rig.send(write)
      #expect(second.code == .unreachable && second.mayHaveActed == true)
      #expect(upstream.requests.count == 2 && upstream.peers.count == 1)
    }
  }

  @Test func `a read whose response broke off is not sent again`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    }
    try await ClientRig.with(upstream.url, [{ $0.readRetries = 5 }]) { rig in
      #expect(await rig.send().code == .malformed)
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func `a refused connection is reported as unreachable, with nothing sent`() async throws {
    let port: UInt16
    do {
      let listener = try TestSocket.listen()
      port = listener.address.port
    }
    try await ClientRig.with(BaseURL(isTLS: false, host: "127.0.0.1", port: port, path: "")) { rig in
      for request in [HTTPRequest(.get, "/x"), write] {
        let result = await rig.send(request)
        #expect(result.code == .unreachable && result.mayHaveActed == false)
        #expect(result.detail?.contains("refused") == true)
      }
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `every address of a name is tried, and no permit is lost`() async throws {
    let upstream = try ScriptedUpstream.answering(ok("found"))
    let port = upstream.address.port
    await withLoop { loop in
      let options = UpstreamOptions()
      let permits = Permits(limit: 2)
      let dead = (2...4).compactMap { SocketAddress(numeric: "127.0.0.\($0)", port: port) }
      let live = upstream.address
      @Sendable func pool() -> UpstreamPool {
        UpstreamPool(
          loop: loop, options: options, requests: Permits(limit: 1), connections: permits,
          serializer: RequestSerializer(BaseURL(isTLS: false, host: "127.0.0.1", port: port, path: "")))
      }
      let found = await task(on: loop) {
        let pool = pool()
        var outcomes: [Bool] = []
        for addresses in [dead + [live], dead, [], [live] + dead] {
          let result = await pool.open(to: addresses, .values, deadline: inMilliseconds(60_000))
          if case .success(let connection) = result {
            outcomes.append(true)
            connection.close()
          } else {
            outcomes.append(false)
          }
          #expect(permits.inUse == 0, "\(addresses)")
        }
        return outcomes
      }.value
      #expect(found == [true, false, false, true])
      // A caller that has left: no address is tried.
      let cancelled = task(on: loop) {
        let pool = pool()
        withUnsafeCurrentTask { $0?.cancel() }
        let result = await pool.open(to: [live, live], .values, deadline: inMilliseconds(60_000))
        if case .success(let connection) = result { connection.close() }
        return permits.inUse
      }
      #expect(await cancelled.value == 0)
    }
  }
}
