import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct ServerEndTests {
  @Test func `a client that ends its side together with its request gets the response, then the end`() async throws {
    let gate = Gate()
    try await ServerRig.with(handler: { exchange in
      if exchange.path == "/slow" { await gate.pass(on: exchange.loop) }
      exchange.respond("response")
    }) { rig in
      for request in [get("/quick"), get("/quick") + get("/quick"), post("/quick", "")] {
        let client = try await rig.connect()
        client.sendAndFinish(request)
        let (text, end) = client.receiveAll()
        #expect(
          text.components(separatedBy: "\r\n\r\nresponse").count == request.components(separatedBy: "HTTP/1.1").count)
        #expect(end == .finished)
      }
      let slow = try await rig.connect()
      slow.sendAndFinish(get("/slow") + get("/quick"))
      #expect(await eventually { gate.arrived == 1 })
      gate.open()
      let (text, end) = slow.receiveAll()
      #expect(text.components(separatedBy: "\r\n\r\nresponse").count == 3)
      #expect(end == .finished)
      // Long before any timeout.
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a client that ends without a request, or within one, gets the end only`() async throws {
    try await ServerRig.with(handler: { $0.respond("ok") }) { rig in
      for text in ["", "GET / HT", get("/x") + "GET"] {
        let client = try await rig.connect()
        client.sendAndFinish(text)
        #expect(client.receiveAll().end == .finished)
      }
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a reset cancels the handler, and frees all memory`() async throws {
    let gate = Gate()
    let results = Collected<Bool>()
    try await ServerRig.with(handler: { exchange in
      await gate.pass(on: exchange.loop)
      results.add(Task.isCancelled && exchange.isGone)
      exchange.respond("unread")
    }) { rig in
      for number in 1...10 {
        let client = try await rig.connect(then: get("/x"))
        #expect(await eventually { gate.arrived == number })
        client.reset()
        #expect(await eventually { gate.cancelled == number })
      }
      #expect(await eventually { results.count == 10 && rig.connections.current == 0 })
      #expect(results.all.allSatisfy { $0 })
    }
  }

  @Test func `a reset within a body, or while a response waits for the client, ends the handler`() async throws {
    let ended = Collected<String>()
    try await ServerRig.with(handler: { exchange in
      if exchange.path == "/body" {
        if (try? await exchange.body(limit: 1 << 20)) == nil { ended.add("body") }
      } else {
        await exchange.respond(ScriptedBody(.max))
        ended.add("stream")
      }
    }) { rig in
      let body = try await rig.connect(then: "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
      let stream = try await rig.connect(then: get("/stream"), buffers: 4096)
      #expect(stream.isReadable(within: 10_000))
      _ = await onLoop(rig.loop) { true }
      body.reset()
      stream.reset()
      #expect(await eventually { Set(ended.all) == ["body", "stream"] })
      #expect(await eventually { rig.connections.current == 0 && rig.memory.used == 0 })
    }
  }

  @Test func `a handler without a response ends the connection with a reset`() async throws {
    try await ServerRig.with(handler: { exchange in
      if exchange.path == "/late" { await Task.yield() }
    }) { rig in
      for path in ["/now", "/late"] {
        let client = try await rig.connect(then: get(path) + get(path))
        let (text, end) = client.receiveAll()
        #expect(text == "" && end == .reset)
      }
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a stream that breaks off ends the connection with a reset`() async throws {
    try await ServerRig.with(handler: { exchange in
      let isWhole = await exchange.respond(
        ScriptedBody(1, size: 4, hasLength: exchange.path == "/length", breaksOff: true))
      #expect(!isWhole)
    }) { rig in
      for path in ["/length", "/chunked"] {
        let client = try await rig.connect()
        client.send(get(path))
        #expect(throws: MessageError.closed) { try client.receiveResponse() }
        #expect(await eventually { rig.connections.current == 0 })
      }
    }
  }

  @Test func `a second response to a request is not sent`() async throws {
    try await ServerRig.withClient(handler: { exchange in
      exchange.respond("first")
      exchange.respond("second", status: 500)
    }) { _, client in
      #expect(client.ask(get("/x"))?.text == "first")
      #expect(client.ask(get("/x"))?.text == "first")
    }
  }

  @Test func `an idle connection closes after idle_timeout, before and after a request`() async throws {
    let timeouts = ServerRig.timeouts { $0.idle = Duration.seconds(2).nanoseconds }
    try await ServerRig.with(timeouts, handler: { $0.respond("ok") }) { rig in
      for isUsed in [false, true] {
        var end: TestSocket.End?
        let waited = try await elapsed {
          let client = try await rig.connect(sending: isUsed ? get("/x") : "")
          if isUsed { #expect(client.receiveMessage()?.text == "ok") }
          end = client.receiveAll().end
        }
        #expect(end == .finished && waited >= 1990)
      }
    }
  }

  @Test func `a head that arrives byte by byte gets 408 after header_timeout`() async throws {
    let timeouts = ServerRig.timeouts { $0.header = Duration.milliseconds(200).nanoseconds }
    try await ServerRig.with(timeouts, handler: { $0.respond("ok") }) { rig in
      for isKept in [false, true] {
        let client = try await rig.connect()
        if isKept { #expect(client.ask(get("/x"))?.text == "ok") }
        let head = Array(get("/x", "Padding: " + String(repeating: "x", count: 2_000) + "\r\n").utf8)
        var sent = 0
        let waited = await elapsed {
          while !client.isReadable(within: 5), sent < head.count {
            client.send([head[sent]])
            sent += 1
          }
        }
        let response = client.receiveMessage()
        #expect(response?.status == 408 && response?.keepsAlive == false)
        #expect(waited >= 190 && sent > 5 && sent < head.count)
      }
    }
  }

  @Test func `a client that reads nothing is reset after send_timeout`() async throws {
    let timeouts = ServerRig.timeouts { $0.send = Duration.milliseconds(150).nanoseconds }
    let ended = Collected<Bool>()
    try await ServerRig.with(
      timeouts,
      handler: { exchange in
        if exchange.path == "/stream" {
          await exchange.respond(ScriptedBody(.max))
          ended.add(exchange.isGone)
        } else {
          exchange.respond([UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20))
        }
      }
    ) { rig in
      for path in ["/whole", "/stream"] {
        let client = try await rig.connect(then: get(path), buffers: 4096)
        #expect(await eventually { rig.connections.current == 0 })
        #expect(client.receiveAll().end == .reset)
      }
      #expect(await eventually { ended.all == [true] })
    }
  }

  @Test func `a client that does not close after the last response is dropped after the linger time`() async throws {
    try await ServerRig.withClient(handler: { $0.respond("ok") }) { rig, client in
      #expect(client.ask(get("/x", "Connection: close\r\n"))?.text == "ok")
      #expect(client.receiveAll().end == .finished)
      #expect(rig.connections.current == 1, "it lingers")
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a flood on a lingering connection leaves the loop to other connections`() async throws {
    try await ServerRig.with(handler: { $0.respond("ok") }) { rig in
      let flooder = try await rig.connect()
      let isOver = Collected<Bool>()
      flooder.send("garbage\r\n\r\n")
      Thread.detachNewThread {
        while flooder.send([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)) {}
        isOver.add(true)
      }
      let other = try await rig.connect()
      while isOver.count == 0 { #expect(other.ask(get("/x"))?.text == "ok") }
      #expect(await eventually { rig.connections.current == 1 })
    }
  }

  @Test func `drain closes idle connections, and serves requests in flight and arrived ones`() async throws {
    let gate = Gate()
    try await ServerRig.with(handler: { exchange in
      if exchange.path == "/slow" { await gate.pass(on: exchange.loop) }
      exchange.respond("ok")
    }) { rig in
      let idle = try await rig.connect()
      #expect(idle.ask(get("/x"))?.keepsAlive == true)
      let busy = try await rig.connect(then: get("/slow"))
      #expect(await eventually { gate.arrived == 1 })
      let half = try await rig.connect(then: "GET /half HTTP/1.1\r\n")
      #expect(await eventually { rig.memory.used > 0 })
      let server = rig.server
      // Nothing is read while this occupies the loop: these requests are unread in the sockets when the drain begins.
      let (new, fd) = try TestSocket.pair()
      new.send(get("/new"))
      await onLoop(rig.loop) {
        rig.open(fd)
        idle.send(get("/late"))
        server.value.drain()
      }
      for client in [new, idle] {
        let response = client.receiveMessage()
        #expect(response?.text == "ok" && response?.keepsAlive == false)
        #expect(client.receiveAll().end == .finished)
      }
      half.send("Host: h\r\n\r\n")
      #expect(half.receiveMessage()?.keepsAlive == false)
      gate.open()
      #expect(busy.receiveMessage()?.keepsAlive == false)
      for client in [idle, new, busy, half] { client.close() }
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a connection that the kernel refuses to watch is closed and reported`() async throws {
    try await ServerRig.with(handler: { $0.respond("ok") }) { rig in
      // epoll_ctl refuses this file with EPERM, as it refuses a socket with ENOSPC or ENOMEM.
      let fd = open("/dev/null", O_RDWR | O_CLOEXEC)
      await onLoop(rig.loop) { rig.open(fd) }
      #expect(rig.connections.current == 0)
      #expect(rig.reports.all == ["epoll_ctl: Operation not permitted"])
      let response = try await rig.ask(get("/x"))
      #expect(response?.text == "ok")
    }
  }

  @Test func `servers that ended hold no connections and no memory`() {
    #expect(ServerRig.leftovers.all == [])
  }

  @Test func `a hundred clients that behave in all ways at once leave nothing behind`() async throws {
    let gate = Gate()
    try await ServerRig.with(handler: { exchange in
      let path = exchange.path
      if path == "/wait" { await gate.pass(on: exchange.loop) }
      if path == "/echo" { return await exchange.echo(limit: 1000) }
      guard path == "/stream" else { return exchange.respond("ok") }
      await exchange.respond(ScriptedBody(20, size: 30_000))
    }) { rig in
      var random = SeededGenerator(seed: 3)
      var clients: [TestSocket] = []
      for _ in 0..<100 {
        let client = try await rig.connect(buffers: 4096)
        let text = [
          get("/wait"), post("/echo", "hello"), get("/stream"), "GET / HT",
          post("/echo", String(repeating: "x", count: 2000)), "junk\r\n",
        ]
        for _ in 0..<Int.random(in: 0..<4, using: &random) { client.send(text.randomElement(using: &random) ?? "") }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: client.reset()
        case 1: client.close()
        case 2: client.finish()
        default: break
        }
        clients.append(client)
      }
      gate.open()
      for client in clients { client.close() }
      #expect(await eventually { rig.connections.current == 0 && rig.memory.used == 0 })
    }
  }
}
