import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct ServerConnectionTests {
  private static let letters = Array("abcdefghijklmnopqrstuvwxyz".utf8)

  @Test func `requests on one connection are served one after another`() async throws {
    try await ServerRig.withClient(handler: { $0.respond("you asked for \($0.path)") }) { rig, client in
      for number in 0..<50 {
        let response = client.ask(get("/\(number)"))
        #expect(response?.startLine == "HTTP/1.1 200 OK")
        #expect(response?.text == "you asked for /\(number)")
        #expect(response?.keepsAlive == true)
        #expect(response?["Date"] != nil)
      }
      #expect(rig.connections.current == 1)
    }
  }

  @Test func `a request in any pieces gets the same response`() async throws {
    try await ServerRig.with(handler: { await $0.echo() }) { rig in
      let request = Array(post("/x", "hello, world").utf8)
      for cut in 1..<request.count {
        let client = try await rig.connect()
        client.send(Array(request[..<cut]))
        _ = await onLoop(rig.loop) { true }
        client.send(Array(request[cut...]))
        #expect(client.receiveMessage()?.text == "hello, world", "cut at \(cut)")
      }
    }
  }

  @Test func `pipelined requests, fast and slow, with and without bodies, get their responses in order`()
    async throws
  {
    let gate = Gate()
    try await ServerRig.withClient(handler: { exchange in
      let path = exchange.path
      if path.hasPrefix("/slow") { await gate.pass(on: exchange.loop) }
      if path.hasPrefix("/body") { return await exchange.echo() }
      exchange.respond(path)
    }) { _, client in
      client.send(
        get("/1") + get("/slow2") + post("/body", "three") + get("/4") + post("/slow5", "") + post("/body", "six")
          + get("/7"))
      #expect(client.receiveMessage()?.text == "/1")
      #expect(await eventually { gate.arrived == 1 })
      #expect(!client.isReadable(within: 30))
      gate.open()
      for expected in ["/slow2", "three", "/4", "/slow5", "six", "/7"] {
        #expect(client.receiveMessage()?.text == expected)
      }
    }
  }

  @Test func `20,000 pipelined requests get all responses in order`() async throws {
    try await ServerRig.withClient(handler: { exchange in
      let path = exchange.path
      if path.hasSuffix("7") { await Task.yield() }
      exchange.respond(path)
    }) { _, client in
      let count = 20_000
      let flood = (0..<count).map { get("/\($0)") }.joined()
      Thread.detachNewThread { client.send(flood) }
      var wrong = 0
      for number in 0..<count where client.receiveMessage()?.text != "/\(number)" { wrong += 1 }
      #expect(wrong == 0)
    }
  }

  @Test func `a body that arrives together with the next request is separated from it`() async throws {
    let gate = Gate()
    try await ServerRig.withClient(handler: { exchange in
      if exchange.path == "/late" { await gate.pass(on: exchange.loop) }
      await exchange.echo()
    }) { _, client in
      client.send(post("/late", "first") + post("/now", "second"))
      #expect(await eventually { gate.arrived == 1 })
      gate.open()
      #expect(client.receiveMessage()?.text == "first")
      #expect(client.receiveMessage()?.text == "second")
    }
  }

  @Test func `a body that the handler did not read is dropped, and its bytes are not taken for a request`() async throws
  {
    try await ServerRig.with(handler: { $0.respond("no", status: 404) }) { rig in
      let line = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
      let whole = try await rig.connect()
      whole.send(post("/x", line) + get("/next"))
      for _ in 0..<2 {
        let response = whole.receiveMessage()
        #expect(response?.status == 404 && response?.keepsAlive == true)
      }
      whole.finish()
      #expect(whole.receiveAll().text == "")

      // A part of the body is still to come.
      let partial = try await rig.connect()
      partial.send(String(post("/x", line + line).dropLast(line.count)))
      let (text, end) = partial.receiveAll()
      #expect(text.hasPrefix("HTTP/1.1 404 Not Found\r\n"))
      #expect(text.contains("Connection: close\r\n"))
      #expect(text.components(separatedBy: "HTTP/1.1").count == 2, "one response only")
      #expect(end == .finished)
    }
  }

  @Test func `HEAD gets the head of GET, and the connection stays open`() async throws {
    try await ServerRig.withClient(handler: { exchange in
      guard exchange.path == "/stream" else { return exchange.respond("twelve bytes") }
      await exchange.respond(ScriptedBody(1, size: 5))
    }) { _, client in
      client.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
      let head = client.receiveMessage(to: "HEAD")
      #expect(head?["Content-Length"] == "12")
      client.send("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(client.receiveMessage(to: "HEAD")?["Transfer-Encoding"] == "chunked")
      #expect(client.ask(get("/x"))?.text == "twelve bytes")
    }
  }

  @Test func `a response with status 204 or 304 has no body, whatever the handler gives`() async throws {
    try await ServerRig.withClient(handler: { exchange in
      exchange.respond("must not be sent", status: exchange.path == "/204" ? 204 : 304)
    }) { _, client in
      for status in [204, 304, 204] {
        client.send(get("/\(status)"))
        let response = client.receiveMessage()
        #expect(response?.status == status)
        #expect(response?["Content-Length"] == nil)
      }
    }
  }

  @Test func `an HTTP/1.0 connection closes unless the client asks to keep it, and after a stream`()
    async throws
  {
    try await ServerRig.with(handler: { exchange in
      guard exchange.path == "/stream" else { return exchange.respond("ok") }
      await exchange.respond(ScriptedBody(2, size: 3))
    }) { rig in
      let plain = try await rig.connect(then: "GET /x HTTP/1.0\r\n\r\n")
      let (text, end) = plain.receiveAll()
      #expect(text.contains("Connection: close\r\n") && text.hasSuffix("\r\n\r\nok") && end == .finished)

      let kept = try await rig.connect()
      for _ in 0..<2 {
        let response = kept.ask("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(response?["Connection"] == "keep-alive")
        #expect(response?.text == "ok")
      }
      kept.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let stream = kept.receiveAll()
      #expect(!stream.text.contains("Transfer-Encoding"))
      #expect(stream.text.hasSuffix("\r\n\r\naaabbb"))
      #expect(stream.end == .finished)
    }
  }

  @Test func `Connection: close in a request closes the connection, and is announced`() async throws {
    try await ServerRig.withClient(handler: { $0.respond("ok") }) { _, client in
      client.send(get("/x", "Connection: close\r\n") + get("/y"))
      let (text, end) = client.receiveAll()
      #expect(text.components(separatedBy: "HTTP/1.1 200").count == 2)
      #expect(text.contains("Connection: close\r\n"))
      #expect(end == .finished)
    }
  }

  @Test(arguments: [
    ("garbage\r\n\r\n", 400), ("GET / HTTP/2.0\r\n\r\n", 505), ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET /\(String(repeating: "x", count: 9000)) HTTP/1.1\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: h\r\nx: \(String(repeating: "x", count: 20_000))\r\n\r\n", 431),
    ("POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
  ])
  func `bytes that are not a request get an error response, and end the connection`(_ bytes: String, _ status: Int)
    async throws
  {
    try await ServerRig.withClient(handler: { $0.respond("ok") }) { _, client in
      client.send(get("/good") + bytes + get("/never"))
      #expect(client.receiveMessage()?.text == "ok")
      let response = client.receiveMessage()
      #expect(response?.status == status)
      #expect(response?["Content-Type"] == "application/json")
      #expect(response?.keepsAlive == false)
      #expect(response?.text.contains("\"requestId\":\"\(response?["X-Request-Id"] ?? "?")\"") == true)
      #expect(client.receiveAll().text == "")
    }
  }

  @Test(arguments: [8192, nil] as [Int32?])
  func `a response larger than the socket's buffers, or than one turn, arrives whole, and the next request is served`(
    buffer: Int32?
  ) async throws {
    let big = (0..<(3 << 20)).map { ServerConnectionTests.letters[$0 % 26] }
    try await ServerRig.with(handler: { exchange in
      exchange.path == "/big" ? exchange.respond(big) : exchange.respond("small")
    }) { rig in
      let client = try await rig.connect(buffers: buffer)
      client.send(get("/big") + get("/small") + get("/big") + get("/small"))
      for _ in 0..<2 {
        #expect(client.receiveMessage()?.body == big)
        #expect(client.receiveMessage()?.text == "small")
      }
    }
  }

  @Test func `a streamed response waits for its reader, and comes whole`() async throws {
    let streams = Collected<ScriptedBody>()
    try await ServerRig.with(handler: { exchange in
      let stream = ScriptedBody(200, size: 20_000, hasLength: exchange.path == "/length")
      streams.add(stream)
      await exchange.respond(stream)
    }) { rig in
      for path in ["/chunked", "/length"] {
        let client = try await rig.connect(then: get(path), buffers: 8192)
        #expect(client.isReadable(within: 10_000))
        #expect(await eventually { rig.memory.used > 0 })
        let stream = try #require(streams.all.last)
        #expect(stream.taken < 100, "the sender stands still until the client reads")
        let response = client.receiveMessage()
        #expect(response?.body == stream.whole)
        #expect(client.ask(get(path))?.body.count == 4_000_000)
      }
    }
  }

  @Test func `a stream whose pieces are at hand and are taken at once leaves the loop to other connections`()
    async throws
  {
    let endless = ScriptedBody(100_000)
    try await ServerRig.with(handler: { exchange in
      guard exchange.path == "/endless" else { return exchange.respond("\(endless.taken >= 100_000)") }
      // Nothing is sent to HEAD: no full socket makes it pause.
      await exchange.respond(endless)
    }) { rig in
      let (busy, other) = (try await rig.connect(), try await rig.connect())
      busy.send("HEAD /endless HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(busy.receiveMessage(to: "HEAD")?.startLine == "HTTP/1.1 200 OK")
      #expect(other.ask(get("/"))?.text == "false")
    }
  }

  @Test func `an idle connection counts for nothing in the memory budget`() async throws {
    try await ServerRig.with(handler: { exchange in
      _ = await LoopWait<Void>(loop: exchange.loop).wait(until: inMilliseconds(1))
      await exchange.respond(ScriptedBody(1, size: 3, hasLength: true))
    }) { rig in
      let padding = "X: \(String(repeating: "x", count: 4000))\r\n"
      let client = try await rig.connect(sending: get("/1") + get("/2", padding))
      for _ in 0..<2 { #expect(client.receiveMessage()?.text == "aaa") }
      #expect(await eventually { rig.memory.used == 0 })
    }
  }
}
