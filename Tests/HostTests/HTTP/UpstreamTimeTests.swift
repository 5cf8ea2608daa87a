import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamTimeTests {
  /// Accepts connections and reads requests, and never responds.
  private static func silent() throws -> ScriptedUpstream {
    try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      _ = peer.socket.receiveAll()
    }
  }

  @Test func `a missing response ends at first_byte_timeout or at the caller's deadline, whichever is earlier`()
    async throws
  {
    let upstream = try UpstreamTimeTests.silent()
    try await ClientRig.with(
      upstream.url, [{ $0.firstByteTimeout = .milliseconds(200) }, { $0.readRetries = 3 }]
    ) { rig in
      var result: Result<HTTPResponse, AdapterError>?
      let waited = await elapsed { result = await rig.send() }
      #expect(result?.code == .timeout && result?.mayHaveActed == true && waited >= 190)
      let short = await elapsed { result = await rig.send(within: 50) }
      #expect(result?.code == .timeout && short >= 45)
      #expect(upstream.peers.count == 2, "a request is not sent again after a timeout")
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a response that trickles ends at total_timeout`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
      while !peer.socket.isReadable(within: 10) { peer.send("x") }
    }
    try await ClientRig.with(upstream.url, [{ $0.totalTimeout = .milliseconds(300) }]) { rig in
      var result: Result<HTTPResponse, AdapterError>?
      let waited = await elapsed { result = await rig.send() }
      #expect(result?.code == .timeout && waited >= 290)
    }
  }

  @Test func `interim responses do not extend first_byte_timeout`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      for _ in 0..<8 where !peer.socket.isReadable(within: 250) { peer.send("HTTP/1.1 102 Processing\r\n\r\n") }
      peer.send(ok("late"))
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(upstream.url, [{ $0.firstByteTimeout = .milliseconds(400) }]) { rig in
      var result: Result<HTTPResponse, AdapterError>?
      let waited = await elapsed { result = await rig.send() }
      #expect(result?.code == .timeout && waited >= 390)
    }
  }

  @Test func `a request that the upstream does not read ends at the caller's deadline`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.socket.receiveHead()
      // The rest stays in the buffers until the client closes.
      var waiting = pollfd(fd: peer.socket.fd, events: 0x2000, revents: 0)
      poll(&waiting, 1, 10_000)
    }
    try await ClientRig.with(upstream.url) { rig in
      let large = HTTPRequest(.post, "/x", body: [UInt8](repeating: UInt8(ascii: "x"), count: 32 << 20))
      let result = await rig.send(large, within: 200)
      #expect(result.code == .timeout && result.mayHaveActed == true)
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a connection attempt ends at connect_timeout, or when the caller leaves`() async throws {
    let silent = try SilentListener()
    let url = silent.url
    try await ClientRig.with(url, [{ $0.connectTimeout = .milliseconds(150) }]) { rig in
      var result: Result<HTTPResponse, AdapterError>?
      let waited = await elapsed { result = await rig.send(write) }
      #expect(result?.code == .timeout && result?.mayHaveActed == false && waited >= 140)
      #expect(await rig.connections() == 0)
    }
    try await ClientRig.with(url, [{ $0.connectTimeout = .seconds(30) }]) { rig in
      // Cancelled while it connects.
      let call = rig.start()
      #expect(await eventually { await rig.connections() == 1 })
      call.cancel()
      #expect(await call.value.code == .cancelled)
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a caller that leaves ends its read, in the queue or in flight, and returns its permit`() async throws {
    let upstream = try UpstreamTimeTests.silent()
    try await ClientRig.with(upstream.url, [{ $0.maxInFlight = 1 }]) { rig in
      let first = rig.start()
      #expect(await eventually { upstream.requests.count == 1 })
      let queued = rig.start()
      for call in [queued, first] {
        call.cancel()
        #expect(await call.value.code == .cancelled)
      }
      #expect(rig.client.inFlight == 0)
      let client = rig.client
      let before = await task(on: rig.loop) { () -> AdapterError.Code? in
        withUnsafeCurrentTask { $0?.cancel() }
        do throws(AdapterError) {
          _ = try await client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(60_000))
          return nil
        } catch {
          return error.code
        }
      }.value
      #expect(before == .cancelled)
      #expect(rig.client.inFlight == 0)
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func `a write that has left continues to its end when its caller leaves`() async throws {
    let signal = ThreadSignal()
    let upstream = try ScriptedUpstream.answering(ok("written"), after: signal)
    try await ClientRig.with(upstream.url) { rig in
      let call = rig.start(write)
      #expect(await eventually { upstream.requests.count == 1 })
      call.cancel()
      _ = await onLoop(rig.loop) { true }
      signal.signal()
      #expect(await call.value.text == "written")
      #expect(await rig.send().text == "written", "on the same connection")
      #expect(upstream.peers.count == 1)
    }
  }

  @Test func `a late cancellation does not reach the next request on the same connection`() async throws {
    try await ClientRig.with(answering: ok("fine"), loops: 2) { rig, _ in
      for _ in 0..<300 {
        let first = rig.start()
        rig.group.loops[1].post { first.cancel() }
        let second = rig.start()
        let code = await first.value.code
        #expect(code == nil || code == .cancelled)
        #expect(await second.value.text == "fine")
      }
    }
  }
}
