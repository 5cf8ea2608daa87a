import Foundation
import TestSupport
import Testing

@Suite("Faults of the upstream", .blocking)
struct UpstreamFaultTests {
  private static let set: @Sendable () -> [UInt8] = { Request.make("POST", Request.set, body: Request.setBody) }

  @Test func `a read on a dead idle connection is repeated on a new one`() throws {
    let lab = try Lab()
    for step in [UpstreamStep.close, .reset] {
      #expect(try lab.call().status == 200)
      lab.upstream.script(step)
      #expect(try lab.call().status == 200)
    }
    // A connection that closed while idle causes no failure.
    try lab.expectHealthy()
    try eventually("an idle connection") { lab.upstream.dropIdle() > 0 }
    try lab.expectHealthy()
  }

  @Test(arguments: [Request.set, Request.forceSet])
  func `a write that was sent is never sent again`(_ path: String) throws {
    let lab = try Lab()
    for step in [UpstreamStep.close, .reset, .raw("HTTP/1.1 200 OK\r\nContent-Le")] {
      try lab.withToken()
      lab.upstream.script(step)
      #expect(try lab.call(Request.make("POST", path, body: Request.setBody)).status == 502)
      #expect(lab.upstream.dataCalls.count == 1)
    }
  }

  @Test func `a write on a connection that closed while idle reaches the upstream once`() throws {
    let lab = try Lab()
    for _ in 0..<10 {
      try lab.withToken()
      lab.upstream.dropIdle()
      let response = try lab.call(Self.set())
      // The close may be noticed too late; then the response is an error, and the write is not sent again.
      #expect(response.status == 200 || response.status == 502)
      #expect(lab.upstream.dataCalls.count <= 1)
    }
  }

  @Test func `a response that arrived while the process was stopped is used although its deadline has passed`() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "1s"]))
    try lab.expectHealthy()
    let gate = Gate()
    let connection = try lab.begin(.held(by: gate, isEarly: true))
    lab.gateway.signal(SIGSTOP)
    defer { lab.gateway.signal(SIGCONT) }
    let deadline = MonotonicTime.now + 1.2
    gate.open()
    try eventually("the deadline") { MonotonicTime.now > deadline }
    lab.gateway.signal(SIGCONT)
    #expect(try connection.receive(within: 10).status == 200)
  }

  @Test func `an upstream that never responds leads to 504 within the time limit`() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "400ms", "read_retries": "0"]))
    lab.upstream.always(.hang)
    #expect(try lab.call().outcome == "504 upstream_timeout")
    #expect(try lab.call(Self.set()).status == 504)
    #expect(lab.upstream.dataCalls.count == 2)
    lab.upstream.always(nil)
    try lab.expectHealthy()
  }

  @Test func `a route's shorter timeout takes precedence over the upstream's`() throws {
    let patient = ["read_retries": "0", "first_byte_timeout": "60s", "total_timeout": "60s"]
    let lab = try Lab(.upstream(patient)) { $0.routes["values"] = ["timeout": "300ms"] }.withToken()
    lab.upstream.always(.hang)
    #expect(try lab.call().status == 504)
  }

  static let malformed = [
    "garbage\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"code\":200",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"co", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 40_000) + "\r\nContent-Length: 0\r\n\r\n",
  ]

  @Test(arguments: malformed)
  func `a malformed response leads to 502`(_ bytes: String) throws {
    let lab = try Lab()
    lab.upstream.always(.raw(bytes))
    let response = try lab.call()
    #expect(response.status == 502)
    #expect(["upstream_malformed", "upstream_unreachable"].contains(response.errorCode), "\(response.text)")
    lab.upstream.always(nil)
    try lab.expectHealthy()
  }

  @Test(arguments: [true, false])
  func `unsolicited bytes on an idle connection are not used as a response`(isWrite: Bool) throws {
    let lab = try Lab { $0.listen["event_loops"] = "1" }
    for _ in 0..<3 {
      let gate = Gate()
      let stray = Wire.message(#"{"code":200,"msg":"stray"}"#)
      lab.upstream.script(
        UpstreamStep { upstream, peer, call in
          peer.send(upstream.respondNormally(call)) && peer.wait(for: gate) && peer.send(stray) && peer.wait(1)
        })
      let connection = try lab.connect()
      #expect(try connection.send(Request.make()).receive().status == 200)
      lab.upstream.forgetCalls()
      // The gateway finds both in one turn of its loop, the request first.
      try lab.gateway.stop()
      defer { lab.gateway.signal(SIGCONT) }
      connection.send(isWrite ? Self.set() : Request.make())
      let before = lab.upstream.sentBytes
      gate.open()
      try eventually("the stray bytes to be sent") { lab.upstream.sentBytes > before }
      lab.gateway.signal(SIGCONT)
      let response = try connection.receive()
      #expect(response.status == 200 && !response.text.contains("stray"))
      #expect(lab.upstream.dataCalls.count == 1)
    }
  }

  @Test func `bytes after a complete response never reach the next caller`() throws {
    let lab = try Lab()
    let poison = Wire.message(#"{"code":200,"msg":"poison"}"#)
    for extra in [poison, Array("x".utf8), Array(poison.prefix(30))] {
      lab.upstream.script(.raw(Wire.message(#"{"code":200,"msg":"first"}"#) + extra, close: false))
      let first = try lab.call()
      #expect(first.status == 502 || first.text.contains("first"))
      for name in ["B", "C"] {
        let next = try lab.call(Request.make(body: #"{"codes":["\#(name)"]}"#))
        #expect(next.status == 200)
        #expect(next.text.contains("\"\(name)\""))
      }
    }
  }

  @Test func `an upstream that does not listen leads to 502 without its address`() throws {
    let lab = try Lab().withToken()
    lab.upstream.stop()
    let response = try lab.call()
    #expect(response.outcome == "502 upstream_unreachable")
    #expect(!response.text.contains("127.0.0.1"))
  }

  @Test func `redirects are not followed`() throws {
    let (lab, other) = (try Lab(), try ScriptedWebTalk())
    let location = "Location: \(other.url)/_webtalk/_cur/api/getCodesVal\r\n"
    lab.upstream.script(.response("{}", status: "307 Temporary Redirect", fields: location))
    #expect([307, 502].contains(try lab.call().status))
    #expect(other.calls.isEmpty)
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `a client that resets its connection cancels its read at the upstream`() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "30s", "total_timeout": "30s"]))
    let connection = try lab.begin(.hang)
    connection.socket.reset()
    try eventually("the upstream's connection to end") { lab.upstream.sawDisconnect }
    try lab.expectHealthy()
  }

  @Test func `a client that resets its connection does not cancel a sent write, whose outcome is counted`() throws {
    let lab = try Lab()
    let connection = try lab.begin(.delay(0.5), Self.set())
    connection.socket.reset()
    try eventually("the write's outcome in the metrics") {
      try lab.metric("gateway_writes_total", ["kind": "set", "outcome": "ok"]) == 1
    }
    #expect(!lab.upstream.sawDisconnect)
  }

  @Test(arguments: [2, 3])
  func `no call waits while connections are idle on another loop`(_ connections: Int) throws {
    let lab = try Lab(
      .upstream(["max_in_flight": "8", "max_connections": String(connections), "queue": "{size: 1000, wait: 10s}"]))
    let crowd = Crowd(lab, threads: 4, connectionsPerThread: 6)
    defer { crowd.end() }
    try eventually("600 responses", within: 15) { crowd.responses >= 600 || !crowd.failures.isEmpty }
    crowd.expectSuccess()
  }
}
