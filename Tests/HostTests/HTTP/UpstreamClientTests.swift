import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamClientTests {
  @Test func `a request is sent with the base URL's path and host, and one connection serves several`() async throws {
    try await ClientRig.with(answering: ok("fine", "X-Own: 1\r\nSet-Cookie: no\r\n")) { rig, upstream in
      var fields = Fields()
      try fields.append("prop", "x")
      let result = await rig.send(HTTPRequest(.post, "/p?q=1", fields: fields, body: Array("{}".utf8)))
      #expect(result.text == "fine" && result.status == 200)
      if case .success(let response) = result {
        #expect(response.fields["x-own"] == "1")
        #expect(response.fields["set-cookie"] == nil && response.fields["content-length"] == nil)
      }
      _ = await rig.send()
      _ = await rig.send(HTTPRequest(.delete, "/d"))
      let host = "Host: 127.0.0.1:\(upstream.url.port)\r\n"
      #expect(
        upstream.requests.map { $0.head + $0.text } == [
          "POST /base/p?q=1 HTTP/1.1\r\n\(host)prop: x\r\nContent-Length: 2\r\n\r\n{}",
          "GET /base/x HTTP/1.1\r\n\(host)\r\n", "DELETE /base/d HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n",
        ])
      #expect(upstream.peers.count == 1, "one connection for all three")
    }
  }

  /// The number of bytes that the kernel has accepted and the client's kernel has not; nil on a broken socket.
  private static func unsent(_ socket: TestSocket) -> Int32? {
    var count: Int32 = 0
    return ioctl(socket.fd, UInt(TIOCOUTQ), &count) == 0 ? count : nil
  }

  /// The socket of the loop's only connection.
  private static func socket(on loop: EventLoop) -> Int32 {
    loop.allObjects.lazy.compactMap { ($0 as? UpstreamConnection)?.transport.fd }.first ?? -1
  }

  /// Whether the kernel acknowledges received bytes without delay (TCP_QUICKACK).
  private static func acknowledgesAtOnce(_ socket: Int32) -> Bool {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(socket, Int32(IPPROTO_TCP), 12, &value, &length) == 0 && value == 1
  }

  @Test
  func `an upstream with Nagle's algorithm gets its acknowledgement at once while a part of a response is missing`()
    async throws
  {
    let (head, body) = (ThreadSignal(), ThreadSignal())
    let upstream = try ScriptedUpstream { peer in
      while let request = peer.takeRequest() {
        guard request.startLine.contains("split") else {
          peer.send(ok("hello"))
          continue
        }
        head.wait()
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        body.wait()
        peer.send("hello")
      }
    }
    try await ClientRig.with(upstream.url) { rig in
      let loop = rig.loop
      /// Whether the kernel delays acknowledgements after a whole response.
      @Sendable func delays() async -> Bool {
        guard await rig.send().text == "hello" else { return false }
        return await onLoop(loop) { !Self.acknowledgesAtOnce(Self.socket(on: loop)) }
      }
      // The kernel delays acknowledgements where requests and whole responses alternate.
      #expect(await eventually { await delays() })
      let split = rig.start(HTTPRequest(.get, "/base/split"))
      #expect(await eventually { upstream.requests.last?.startLine.contains("split") == true })
      let isAtOnce = await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
        loop.post {
          let socket = Self.socket(on: loop)
          head.signal()
          var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
          poll(&waiting, 1, 30_000)
          // In the next turn, after the loop has read the head.
          loop.post { continuation.resume(returning: Self.acknowledgesAtOnce(socket)) }
        }
      }
      #expect(isAtOnce)
      body.signal()
      #expect(await split.value.text == "hello")
      #expect(await eventually { await delays() })
    }
  }

  @Test func `a response that arrives in two pieces is read the same, wherever it is cut`() async throws {
    let responses = [
      ok("hello"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("hello"),
    ]
    for response in responses {
      let bytes = Array(response.utf8)
      let upstream = try ScriptedUpstream { peer in
        for cut in stride(from: 0, to: bytes.count, by: 5) {
          guard peer.takeRequest() != nil else { return }
          peer.send(Array(bytes[..<cut]))
          // The second part is sent when the client has taken the first.
          guard cut == 0 || peer.wait(until: { UpstreamClientTests.unsent(peer.socket) == 0 }) else { return }
          peer.send(Array(bytes[cut...]))
        }
      }
      try await ClientRig.with(upstream.url) { rig in
        for cut in stride(from: 0, to: bytes.count, by: 5) {
          #expect(await rig.send().text == "hello", "cut at \(cut)")
        }
        #expect(upstream.peers.count == 1)
      }
    }
  }

  @Test(arguments: [
    "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  ])
  func `a response that ends with the connection is complete at once, and the connection is not used again`(
    _ response: String
  ) async throws {
    let upstream = try ScriptedUpstream { peer in
      guard peer.takeRequest() != nil else { return }
      peer.socket.sendAndFinish(response)
      // The socket stays open for reading: only the end that came with the response tells.
      _ = peer.takeRequest()
    }
    try await ClientRig.with(upstream.url) { rig in
      for number in 1...5 {
        let took = await elapsed { #expect(await rig.send().text == "hello") }
        #expect(took < 50_000, "without waiting for a timeout")
        #expect(await rig.send(write).text == "hello", "a write gets a live connection")
        #expect(upstream.peers.count == 2 * number)
      }
      #expect(await eventually { await rig.connections() == 0 })
    }
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
    "HTTP/1.1 200 OK\r\nx: \(String(repeating: "x", count: 40_000))\r\n\r\n", "HTTP/1.1 200 OK\r\nConte",
    String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 3_000) + ok("never"),
  ])
  func `a response that can't be parsed is malformed, and the request is not sent again`(_ bytes: String) async throws {
    let upstream = try ScriptedUpstream { peer in
      guard peer.takeRequest() != nil else { return }
      peer.send(bytes)
      peer.socket.finish()
      _ = peer.socket.receiveAll()
    }
    try await ClientRig.with(upstream.url) { rig in
      let result = await rig.send()
      #expect(result.code == .malformed && result.mayHaveActed == true)
      #expect(upstream.peers.count == 1)
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `a response body longer than max_response_body is malformed, one of that length is not`() async throws {
    let response = ok(String(repeating: "x", count: 2000))
    try await ClientRig.with(answering: response, [{ $0.maxResponseBody = 1999 }]) { rig, _ in
      #expect(await rig.send().code == .malformed)
    }
    try await ClientRig.with(answering: response, [{ $0.maxResponseBody = 2000 }]) { rig, _ in
      #expect(await rig.send().text?.count == 2000)
    }
  }

  @Test func `a response before the request was read is handed over, and the connection is not used again`()
    async throws
  {
    let upstream = try ScriptedUpstream { peer in
      if peer.number == 0 {
        // Reads the head only. The body is larger than the buffers, and stays in them until the client closes.
        _ = peer.socket.receiveHead()
        peer.send(ok("too much"))
        var waiting = pollfd(fd: peer.socket.fd, events: 0x2000, revents: 0)
        poll(&waiting, 1, 30_000)
      } else {
        while peer.takeRequest() != nil { peer.send(ok("next")) }
      }
    }
    try await ClientRig.with(upstream.url) { rig in
      let large = HTTPRequest(.post, "/x", body: [UInt8](repeating: UInt8(ascii: "x"), count: 16 << 20))
      #expect(await rig.send(large).text == "too much")
      #expect(await rig.send().text == "next")
      #expect(upstream.peers.count == 2)
    }
  }

  @Test func `bytes behind a response are never taken for the next response`() async throws {
    let extras = [ok("evil"), "x", String(repeating: "y", count: 100_000)]
    for extra in extras {
      let upstream = try ScriptedUpstream { peer in
        while peer.takeRequest() != nil { peer.send(ok("good \(peer.number)") + (peer.number == 0 ? extra : "")) }
      }
      try await ClientRig.with(upstream.url) { rig in
        #expect(await rig.send().text == "good 0")
        #expect(await rig.send().text == "good 1")
        #expect(await rig.send().text == "good 1")
      }
    }
    // The response ends with the reading buffer, so that the surplus is still in the socket.
    let length = 60_000
    let head = "HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\nX-Filler: "
    let filler = String(repeating: "f", count: EventLoop.upstreamScratchSize - length - head.utf8.count - 4)
    let full = head + filler + "\r\n\r\n" + String(repeating: "x", count: length)
    #expect(full.utf8.count == EventLoop.upstreamScratchSize)
    let upstream = try ScriptedUpstream { peer in
      while peer.takeRequest() != nil { peer.send(peer.number == 0 ? full + ok("evil") : ok("good")) }
    }
    try await ClientRig.with(upstream.url) { rig in
      let first = await rig.send()
      #expect(await first.readAll().bytes.count == length)
      #expect(await rig.send().text == "good")
    }
  }
}
