import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamStreamTests {
  private static let size = 3_000_000
  private static let bytes = (0..<size).map { UInt8(ascii: "a") + UInt8($0 % 26) }

  private static func head(_ framing: String) -> String { "HTTP/1.1 200 OK\r\n\(framing)\r\n" }

  /// The framings of the same body: Content-Length, chunks, the end of the connection.
  private static let framings = ["length", "chunked", "close"]

  /// Sends the large body with that framing.
  private static func send(_ framing: String, to peer: UpstreamPeer) {
    switch framing {
    case "length":
      peer.send(head("Content-Length: \(size)\r\n"))
      peer.send(bytes)
    case "chunked":
      peer.send(head("Transfer-Encoding: chunked\r\n"))
      for start in stride(from: 0, to: size, by: 70_000) {
        let piece = Array(bytes[start..<min(start + 70_000, size)])
        peer.send(String(piece.count, radix: 16) + "\r\n")
        peer.send(piece)
        peer.send("\r\n")
      }
      peer.send("0\r\n\r\n")
    default:
      peer.send(head(""))
      peer.send(bytes)
    }
  }

  @Test(arguments: UpstreamStreamTests.framings)
  func `a long response streams to its end, and its connection is used again unless it ended the body`(
    _ framing: String
  ) async throws {
    let upstream = try ScriptedUpstream { peer in
      while peer.takeRequest() != nil {
        UpstreamStreamTests.send(framing, to: peer)
        if framing == "close" { return }
      }
    }
    try await ClientRig.with(upstream.url) { rig in
      for number in 1...4 {
        let result = await rig.send()
        let (prefix, rest) = try #require(result.stream)
        #expect(prefix.count >= UpstreamConnectionState.prefixSize)
        #expect(rest.remaining == (framing == "length" ? UpstreamStreamTests.size - prefix.count : nil))
        #expect(rig.client.inFlight == 1, "the permit is held to the end")
        let (bytes, error) = await task(on: rig.loop) { await result.readAll() }.value
        #expect(bytes == UpstreamStreamTests.bytes && error == nil)
        #expect(rest.remaining == (framing == "length" ? 0 : nil))
        #expect(rig.client.inFlight == 0)
        let after = await task(on: rig.loop) { () -> Bool in (try? await rest.next()) == .some(nil) }.value
        #expect(after, "there is nothing behind the end")
        #expect(upstream.peers.count == (framing == "close" ? number : 1))
      }
    }
  }

  @Test func `a reader on another thread than the loop's gets the same body`() async throws {
    let upstream = try ScriptedUpstream { peer in
      while peer.takeRequest() != nil { UpstreamStreamTests.send("chunked", to: peer) }
    }
    try await ClientRig.with(upstream.url) { rig in
      let response = try await rig.client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(60_000))
      let (bytes, error) = await Result<HTTPResponse, AdapterError>.success(response).readAll()
      #expect(bytes == UpstreamStreamTests.bytes && error == nil)
    }
  }

  @Test func `a stream is not read ahead of a reader that pauses`() async throws {
    let isSent = Collected<Bool>()
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send(UpstreamStreamTests.head("Content-Length: \(64 << 20)\r\n"))
      isSent.add(peer.send([UInt8](repeating: UInt8(ascii: "x"), count: 64 << 20)))
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(upstream.url, [{ $0.maxResponseBody = 0 }]) { rig in
      let result = await rig.send()
      for _ in 0..<200 { _ = await onLoop(rig.loop) { true } }
      #expect(isSent.count == 0, "the upstream waits for the reader")
      let (bytes, error) = await task(on: rig.loop) { await result.readAll() }.value
      #expect(bytes.count == 64 << 20 && error == nil)
      #expect(await eventually { isSent.all == [true] })
    }
  }

  @Test func `a stream that is cancelled or released unread closes its connection and returns its permit`() async throws
  {
    let upstream = try ScriptedUpstream { peer in
      while peer.takeRequest() != nil { UpstreamStreamTests.send("length", to: peer) }
    }
    try await ClientRig.with(upstream.url, [{ $0.maxInFlight = 1 }]) { rig in
      for number in 1...6 {
        var result: Result<HTTPResponse, AdapterError>? = await rig.send()
        let rest = try #require(result?.stream).rest
        if number % 3 == 1 { rest.cancel() }
        if number % 3 == 2 {
          await onLoop(rig.loop) {
            rest.cancel()
            rest.cancel()
          }
        }
        result = nil
        if number % 3 == 0 { continue }
        #expect(await eventually { rig.client.inFlight == 0 })
        #expect(await eventually { await rig.connections() == 0 })
      }
      #expect(await eventually { rig.client.inFlight == 0 })
      #expect(await eventually { await rig.connections() == 0 })
      #expect(upstream.peers.count == 6)
    }
  }

  @Test(arguments: ["chunked", "length", "limit"])
  func `a stream that turns out malformed while its reader waits fails once`(_ kind: String)
    async throws
  {
    let go = Gate()
    let signal = ThreadSignal()
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      let first = String(repeating: "x", count: 70_000)
      switch kind {
      case "length": peer.send(UpstreamStreamTests.head("Content-Length: 100000\r\n") + first)
      case "limit": peer.send(UpstreamStreamTests.head("") + first)
      default:
        let size = String(first.utf8.count, radix: 16)
        peer.send(UpstreamStreamTests.head("Transfer-Encoding: chunked\r\n") + "\(size)\r\n\(first)\r\n")
      }
      signal.wait()
      if kind == "chunked" { peer.send("this is no chunk\r\n") }
      if kind == "limit" { peer.send(String(repeating: "x", count: 100_000)) }
    }
    try await ClientRig.with(upstream.url, [{ $0.maxResponseBody = 150_000 }]) { rig in
      let result = await rig.send()
      let reader = task(on: rig.loop) { () -> AdapterError.Code? in
        defer { go.open() }
        guard case (var bytes, let rest)? = result.stream else { return nil }
        do throws(AdapterError) {
          while bytes.count < 70_000, let piece = try await rest.next() { bytes += piece }
          go.open()
          while try await rest.next() != nil {}
          return nil
        } catch {
          return error.code
        }
      }
      #expect(await task(on: rig.loop) { await go.pass(on: rig.loop) }.value)
      _ = await onLoop(rig.loop) { true }
      signal.signal()
      #expect(await reader.value == .malformed)
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a reader that is cancelled before or while it waits stops at once`() async throws {
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send(UpstreamStreamTests.head("Content-Length: 1000000\r\n") + String(repeating: "x", count: 70_000))
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(upstream.url) { rig in
      for isBefore in [true, false] {
        let result = await rig.send()
        let waits = Gate()
        let reader = task(on: rig.loop) { () -> AdapterError.Code? in
          if isBefore { withUnsafeCurrentTask { $0?.cancel() } }
          waits.open()
          return await result.readAll().error?.code
        }
        #expect(await task(on: rig.loop) { await waits.pass(on: rig.loop) }.value)
        reader.cancel()
        #expect(await reader.value == .cancelled)
        #expect(await rig.connections() == 0)
      }
    }
  }

  @Test func `silence of the upstream ends a stream, a pause of the reader does not`() async throws {
    let signal = ThreadSignal()
    let upstream = try ScriptedUpstream { peer in
      _ = peer.takeRequest()
      peer.send(UpstreamStreamTests.head("Content-Length: 100000\r\n") + String(repeating: "x", count: 70_000))
      if peer.number == 0 { return _ = peer.socket.receiveAll() }
      signal.wait()
      peer.send(String(repeating: "x", count: 30_000))
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(upstream.url, [{ $0.firstByteTimeout = .seconds(1) }]) { rig in
      let silent = await rig.send()
      var error: AdapterError?
      let waited = await elapsed { error = await task(on: rig.loop) { await silent.readAll().error }.value }
      #expect(error?.code == .timeout && waited >= 990)

      let paused = await rig.send()
      let bytes = await task(on: rig.loop) { () -> Int in
        _ = await LoopWait<Never>(loop: rig.loop).wait(until: inMilliseconds(2000))
        signal.signal()
        return await paused.readAll().bytes.count
      }.value
      #expect(bytes == 100_000)
    }
  }

  @Test func `an exchange after a stream has its own deadline`() async throws {
    // The last bytes of the stream and the next request fall into the same turns of the loop.
    let upstream = try ScriptedUpstream { peer in
      for _ in 0..<20 {
        guard peer.takeRequest() != nil else { return }
        UpstreamStreamTests.send("chunked", to: peer)
      }
      _ = peer.takeRequest()
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(
      upstream.url, [{ $0.firstByteTimeout = .seconds(1) }, { $0.maxConnections = 1 }]
    ) { rig in
      for _ in 0..<20 {
        let result = await rig.send()
        #expect(await task(on: rig.loop) { await result.readAll() }.value.error == nil)
      }
      #expect(await rig.send().code == .timeout)
    }
  }
}
