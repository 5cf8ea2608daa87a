import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamClientTests {
  @Test func `a request goes out whole, with the base URL's path and host`() async throws {
    let upstream = try TestUpstream.answering(ok("fine", "X-Own: 1\r\nSet-Cookie: no\r\n"))
    try await ClientRig.with(upstream.url) { rig in
      var fields = Fields()
      try fields.append("prop", "x")
      let answer = await rig.send(HTTPRequest(.post, "/p?q=1", fields: fields, body: Array("{}".utf8)))
      #expect(answer.text == "fine" && answer.status == 200)
      if case .success(let response) = answer {
        #expect(response.fields["x-own"] == "1")
        #expect(response.fields["set-cookie"] == nil && response.fields["content-length"] == nil)
      }
      _ = await rig.send()
      _ = await rig.send(HTTPRequest(.delete, "/d"))
      let host = "Host: 127.0.0.1:\(upstream.url.port)\r\n"
      #expect(
        upstream.requests.all == [
          "POST /base/p?q=1 HTTP/1.1\r\n\(host)prop: x\r\nContent-Length: 2\r\n\r\n{}",
          "GET /base/x HTTP/1.1\r\n\(host)\r\n", "DELETE /base/d HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n",
        ])
      #expect(upstream.accepted == 1, "one connection for all of them")
    }
  }

  @Test func `an answer in any pieces is the same`() async throws {
    let answers = [
      ok("hello"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("hello"),
    ]
    for answer in answers {
      let bytes = Array(answer.utf8)
      let upstream = try TestUpstream { _, socket, upstream in
        for cut in stride(from: 0, to: bytes.count, by: 5) {
          guard upstream.takeRequest(socket) != nil else { return }
          socket.send(Array(bytes[..<cut]))
          // The other side has taken the first part before the second is sent.
          var unsent: Int32 = 1
          while cut > 0, unsent > 0 { if ioctl(socket.fd, UInt(TIOCOUTQ), &unsent) != 0 { return } }
          socket.send(Array(bytes[cut...]))
        }
      }
      try await ClientRig.with(upstream.url) { rig in
        for cut in stride(from: 0, to: bytes.count, by: 5) {
          #expect(await rig.send().text == "hello", "cut at \(cut)")
        }
        #expect(upstream.accepted == 1)
      }
    }
  }

  @Test(arguments: [
    "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  ])
  func `an answer whose end is the connection's is whole at once, and the connection is not used again`(
    _ answer: String
  ) async throws {
    let upstream = try TestUpstream { _, socket, upstream in
      guard upstream.takeRequest(socket) != nil else { return }
      socket.sendAndFinish(answer)
      // It stays open for reading: only the end that came with the answer tells.
      _ = upstream.takeRequest(socket)
    }
    try await ClientRig.with(upstream.url) { rig in
      for number in 1...5 {
        let took = await elapsed { #expect(await rig.send().text == "hello") }
        #expect(took < 50_000, "it does not wait for a timeout")
        #expect(await rig.send(write).text == "hello", "a write finds a connection that lives")
        #expect(upstream.accepted == 2 * number)
      }
      #expect(await eventually { await rig.connections() == 0 })
    }
  }

  @Test func `answers that have no body have none`() async throws {
    let upstream = try TestUpstream { _, socket, upstream in
      for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", ok(""),
      ] {
        guard upstream.takeRequest(socket) != nil else { return }
        socket.send(answer)
      }
      _ = upstream.takeRequest(socket)
    }
    try await ClientRig.with(upstream.url) { rig in
      for status in [204, 304, 200] {
        let answer = await rig.send()
        #expect(answer.status == status && answer.text == "")
      }
      #expect(upstream.accepted == 1)
    }
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
    "HTTP/1.1 200 OK\r\nx: \(String(repeating: "x", count: 40_000))\r\n\r\n", "HTTP/1.1 200 OK\r\nConte",
    String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 3_000) + ok("never"),
  ])
  func `what is no answer is malformed, and never tried again`(_ bytes: String) async throws {
    let upstream = try TestUpstream { _, socket, upstream in
      guard upstream.takeRequest(socket) != nil else { return }
      socket.send(bytes)
      socket.finish()
      _ = socket.receiveAll()
    }
    try await ClientRig.with(upstream.url) { rig in
      let answer = await rig.send()
      #expect(answer.code == .malformed && answer.mayHaveActed == true)
      #expect(upstream.accepted == 1)
      #expect(await rig.connections() == 0)
    }
  }

  @Test func `an answer longer than max_response_body is malformed`() async throws {
    let upstream = try TestUpstream.answering(ok(String(repeating: "x", count: 2000)))
    try await ClientRig.with(upstream.url, { $0.maxResponseBody = 1999 }) { rig in
      #expect(await rig.send().code == .malformed)
    }
    try await ClientRig.with(upstream.url, { $0.maxResponseBody = 2000 }) { rig in
      #expect(await rig.send().text?.count == 2000)
    }
  }

  @Test func `an answer before the request was taken counts, and the connection does not`() async throws {
    let upstream = try TestUpstream { number, socket, upstream in
      if number == 0 {
        // It reads the head only; the body is more than the buffers take, and stays in them until the other side ends.
        _ = socket.receiveHead()
        socket.send(ok("too much, thank you"))
        var waiting = pollfd(fd: socket.fd, events: 0x2000, revents: 0)
        poll(&waiting, 1, 30_000)
      } else {
        while upstream.takeRequest(socket) != nil { socket.send(ok("next")) }
      }
    }
    try await ClientRig.with(upstream.url) { rig in
      let large = HTTPRequest(.post, "/x", body: [UInt8](repeating: 120, count: 16 << 20))
      #expect(await rig.send(large).text == "too much, thank you")
      #expect(await rig.send().text == "next")
      #expect(upstream.accepted == 2)
    }
  }

  @Test func `bytes behind an answer are never taken for the next one`() async throws {
    let extras = [ok("evil"), "x", String(repeating: "y", count: 100_000)]
    for extra in extras {
      let upstream = try TestUpstream { number, socket, upstream in
        while upstream.takeRequest(socket) != nil { socket.send(ok("good \(number)") + (number == 0 ? extra : "")) }
      }
      try await ClientRig.with(upstream.url) { rig in
        #expect(await rig.send().text == "good 0")
        #expect(await rig.send().text == "good 1")
        #expect(await rig.send().text == "good 1")
      }
    }
    // The answer ends with the reading buffer, so that the rest is still in the socket.
    let length = 60_000
    let head = "HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\nX-Filler: "
    let filler = String(repeating: "f", count: EventLoop.upstreamScratchSize - length - head.utf8.count - 4)
    let full = head + filler + "\r\n\r\n" + String(repeating: "x", count: length)
    #expect(full.utf8.count == EventLoop.upstreamScratchSize)
    let upstream = try TestUpstream { number, socket, upstream in
      while upstream.takeRequest(socket) != nil { socket.send(number == 0 ? full + ok("evil") : ok("good")) }
    }
    try await ClientRig.with(upstream.url) { rig in
      let first = await rig.send()
      #expect(await first.readAll().bytes.count == length)
      #expect(await rig.send().text == "good")
    }
  }
}
