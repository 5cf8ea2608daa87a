import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct ServerBodyTests {
  private static let chunkedHead = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

  @Test func `100 Continue is sent when the client waits for it, and only then`() async throws {
    try await ServerRig.withClient(handler: { await $0.echo() }) { _, client in
      client.send("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      #expect(client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
      #expect(client.ask("hello")?.text == "hello")
      // The body is there already, or there is none.
      #expect(client.ask(post("/x", "hello", "Expect: 100-continue\r\n"))?.text == "hello")
      #expect(client.ask(post("/x", "", "Expect: 100-continue\r\n"))?.status == 200)
      // HTTP/1.0 has no interim answers.
      client.send("POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
      #expect(client.receiveAll().text.hasPrefix("HTTP/1.1 200 OK"))
    }
  }

  @Test func `a client that waits for 100 Continue with a body over the limit is refused instead`() async throws {
    try await ServerRig.withClient(handler: { await $0.echo(limit: 10) }) { _, client in
      client.send("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
      let response = client.receiveMessage()
      #expect(response?.status == 413)
      #expect(response?.keepsAlive == false)
    }
  }

  @Test func `a chunked body in any pieces is put together, and the next request is served`()
    async throws
  {
    let body = "5\r\nhello\r\n1;name=\"v\"\r\n,\r\n6\r\n world\r\n0\r\nTrailer-Field: x\r\n\r\n"
    let request = Array((ServerBodyTests.chunkedHead + body + get("/next")).utf8)
    try await ServerRig.with(handler: { exchange in
      exchange.path == "/next" ? exchange.respond("next") : await exchange.echo()
    }) { rig in
      for size in [1, 2, 3, 7, 50, request.count] {
        let client = try await rig.connect()
        for start in stride(from: 0, to: request.count, by: size) {
          client.send(Array(request[start..<min(start + size, request.count)]))
          _ = await onLoop(rig.loop) { true }
        }
        #expect(client.receiveMessage()?.text == "hello, world", "pieces of \(size)")
        #expect(client.receiveMessage()?.text == "next", "pieces of \(size)")
      }
    }
  }

  @Test func `a chunk whose size is over the limit is refused before it is sent`() async throws {
    try await ServerRig.withClient(handler: { await $0.echo(limit: 10) }) { _, client in
      client.send(ServerBodyTests.chunkedHead + "6\r\nhello,\r\n5\r\n")
      #expect(client.receiveMessage()?.status == 413)
    }
  }

  @Test(arguments: [
    "5\r\nhellooo", "5\nhello", "-1\r\n", "ffffffffffffffff\r\n", "zz\r\n", "0\r\nContent-Length: 5\r\n\r\n",
  ])
  func `a malformed chunked body is refused, and the connection ends`(_ body: String) async throws {
    try await ServerRig.withClient(handler: { await $0.echo() }) { _, client in
      client.send(ServerBodyTests.chunkedHead + body + "\r\n" + get("/smuggled"))
      let response = client.receiveMessage()
      #expect([400, 413].contains(response?.status))
      #expect(response?.keepsAlive == false)
      #expect(client.receiveAll().text == "")
    }
  }

  @Test func `the body limit holds for a length and for chunks, to the byte`() async throws {
    try await ServerRig.withClient(handler: { await $0.echo(limit: 10) }) { _, client in
      #expect(client.ask(post("/x", "0123456789"))?.text == "0123456789")
      #expect(client.ask(ServerBodyTests.chunkedHead + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")?.text == "0123456789")
      // The rest of the body has arrived and is dropped, so the connection continues.
      let length = client.ask(post("/x", "0123456789a"))
      #expect(length?.status == 413 && length?.keepsAlive == true)
      let chunks = client.ask(ServerBodyTests.chunkedHead + "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n")
      #expect(chunks?.status == 413 && chunks?.keepsAlive == true)
      #expect(client.ask(post("/x", "0123456789"))?.text == "0123456789")
    }
  }

  @Test func `a client that sends all of a refused body can still read the response`() async throws {
    try await ServerRig.withClient(handler: { await $0.echo(limit: 1000) }) { rig, client in
      let size = 8 << 20
      client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n")
      let isSent = Collected<Bool>()
      Thread.detachNewThread { isSent.add(client.send([UInt8](repeating: UInt8(ascii: "x"), count: size))) }
      #expect(client.receiveMessage()?.status == 413)
      #expect(await eventually { isSent.count == 1 })
      #expect(isSent.all == [true], "the rest was dropped, not reset")
      client.finish()
      #expect(client.receiveAll().end == .finished)
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a body that is cut off is refused at once, also with the end in the same packet`() async throws {
    try await ServerRig.with(handler: { await $0.echo() }) { rig in
      for body in ["", "hel"] {
        let together = try await rig.connect()
        together.sendAndFinish("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n" + body)
        #expect(together.receiveMessage()?.status == 400)
        let apart = try await rig.connect(then: "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n" + body)
        _ = await onLoop(rig.loop) { true }
        apart.finish()
        #expect(apart.receiveMessage()?.status == 400)
      }
      #expect(await eventually { rig.connections.current == 0 })
    }
  }

  @Test func `a pause within a body gets 408 after body_timeout, and each byte restarts the timer`() async throws {
    let timeouts = ServerRig.timeouts { $0.body = Duration.seconds(1).nanoseconds }
    try await ServerRig.with(timeouts, handler: { await $0.echo() }) { rig in
      var response: TestMessage?
      let waited = try await elapsed {
        response = try await rig.ask("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
      }
      #expect(response?.status == 408 && response?.keepsAlive == false)
      #expect(waited >= 995)

      let slow = try await rig.connect(then: "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n")
      let took = await elapsed {
        for byte in "hello, world".utf8 {
          #expect(!slow.isReadable(within: 100))
          slow.send([byte])
        }
        response = slow.receiveMessage()
      }
      #expect(response?.text == "hello, world")
      #expect(took >= 1190, "longer than the timeout")
    }
  }

  @Test func `the body timer runs after a 100 Continue that had to wait for the socket`() async throws {
    let timeouts = ServerRig.timeouts { $0.body = Duration.milliseconds(200).nanoseconds }
    try await ServerRig.with(
      timeouts,
      handler: { exchange in
        // More than the buffers take, so that the following bytes wait.
        exchange.connection.send(
          Array("HTTP/1.1 103 Early Hints\r\nx: \(String(repeating: "x", count: 300_000))\r\n\r\n".utf8))
        await exchange.echo()
      }
    ) { rig in
      let client = try await rig.connect(buffers: 8192)
      client.send("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      #expect(client.receiveHead()?.hasPrefix("HTTP/1.1 103") == true)
      #expect(client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
      #expect(client.receiveMessage()?.status == 408)
    }
  }

  @Test func `requests beyond the memory limit are shed with 503`() async throws {
    let gate = Gate()
    try await ServerRig.with(
      memory: 100_000,
      handler: { exchange in
        let path = exchange.path
        await exchange.echo(limit: 1 << 20)
        if path == "/hold" { await gate.pass(on: exchange.loop) }
      }
    ) { rig in
      let holder = try await rig.connect(then: post("/hold", String(repeating: "x", count: 60_000)))
      #expect(holder.receiveMessage()?.status == 200)
      let large = post("/x", String(repeating: "y", count: 60_000))
      #expect(try await rig.ask(large)?.status == 503)
      #expect(try await rig.ask(post("/x", "small"))?.text == "small")
      gate.open()
      #expect(await eventually { rig.memory.used == 0 })
      #expect(try await rig.ask(large)?.status == 200)
    }
  }
}
