import Foundation
import TestSupport
import Testing

@Suite("Long responses that break off", .blocking)
struct BrokenStreamTests {
  private static let request = Request.make("POST", Request.history)
  private static let body = LongBody(count: 8 << 20)

  /// Sends a request whose response is `body`, and receives the head of the response with a small buffer.
  private func begin(_ lab: Lab) throws -> RawConnection {
    lab.upstream.script(Self.body.step())
    let connection = try lab.connect(receiveBuffer: 64 << 10).send(Self.request)
    #expect(try connection.receiveHead().status == 200)
    return connection
  }

  private static func lab(_ settings: [String: String] = [:]) throws -> Lab {
    let lab = try Lab(.upstream(["max_response_body": "0", "total_timeout": "60s"].merging(settings) { $1 }))
    try lab.expectHealthy()
    return lab
  }

  /// Reads up to the end, and returns whether the response was visibly cut off. It may also be a 502: a reset discards
  /// unsent bytes, and the gateway may not have had enough to begin a response.
  private func isCut(_ connection: RawConnection, within seconds: Double = 15) throws -> Bool {
    do {
      return try connection.receive(within: seconds).status == 502
    } catch MessageError.closed {
      return true
    }
  }

  @Test(arguments: [true, false])
  func `a client that disconnects during the response frees the upstream's connection and the permit`(
    withReset isReset: Bool
  ) throws {
    let lab = try Self.lab(["max_in_flight": "1"])
    for _ in 0..<3 {
      let connection = try begin(lab)
      if isReset { connection.socket.reset() } else { connection.socket.close() }
      try eventually("the upstream's connection to end", within: 10) { lab.upstream.busyPeer == nil }
      try lab.expectHealthy("the only permit is free again")
    }
    #expect(lab.upstream.sawDisconnect)
  }

  @Test(arguments: LongBody.Framing.allCases)
  func `an upstream that closes early cuts off the client's response`(_ framing: LongBody.Framing) throws {
    let lab = try Self.lab()
    for end in [100_000, 1 << 20] {
      lab.upstream.script(
        UpstreamStep { _, peer, _ in
          _ = Self.body.send(to: peer, framing, upTo: end)
          if framing == .close { peer.socket.reset() }
          return false
        })
      #expect(try isCut(lab.connect().send(Self.request)))
      try lab.expectHealthy()
    }
  }

  @Test func `an upstream that stops sending mid-body is dropped after first_byte_timeout`() throws {
    let lab = try Self.lab(["first_byte_timeout": "300ms"])
    lab.upstream.script(UpstreamStep { _, peer, _ in Self.body.send(to: peer, upTo: 1 << 20) && peer.wait(30) })
    #expect(try isCut(lab.connect().send(Self.request)))
    try eventually("the upstream's connection to end") { lab.upstream.sawDisconnect }
    try lab.expectHealthy()
  }

  @Test func `bytes from the client do not extend the time of a silent upstream`() throws {
    let lab = try Self.lab(["first_byte_timeout": "500ms"])
    lab.upstream.script(UpstreamStep { _, peer, _ in Self.body.send(to: peer, upTo: 1 << 20) && peer.wait(30) })
    let connection = try lab.connect()
    try connection.send(Self.request).receive((1 << 20) - 1, within: 10) { _ in }
    try eventually("the upstream's connection to end", within: 10) {
      connection.send("G")
      return lab.upstream.sawDisconnect
    }
  }

  @Test func `a pause of the reading client does not count as the upstream's silence`() throws {
    let lab = try Self.lab(["first_byte_timeout": "1s", "total_timeout": "2s"])
    let connection = try begin(lab)
    let end = MonotonicTime.now + 2.5
    try eventually("the pause to be over", within: 10) { MonotonicTime.now >= end }
    try Self.body.expectArrival(on: connection, within: 30)
  }

  @Test func `bytes after the announced length never reach a client`() throws {
    let lab = try Self.lab()
    let body = LongBody(count: 1 << 20)
    let evil = Wire.message(#"{"code":200,"msg":"evil"}"#)
    for _ in 0..<5 {
      lab.upstream.script(
        UpstreamStep { _, peer, _ in body.send(to: peer) && peer.send(evil) && peer.wait(0.02) })
      let connection = try lab.connect()
      #expect(body.isEqual(to: try connection.send(Self.request).receive().body))
      let next = try connection.send(Request.make()).receive()
      #expect(next.status == 200 && !next.text.contains("evil"))
    }
  }

  @Test(arguments: ["1.0", "1.1"])
  func `a response without a length is cut off at the limit, for HTTP 1.0 and 1.1 clients`(_ version: String) throws {
    let limit = 1 << 20
    // One loop, so that each response reuses the pipe of the previous one.
    let lab = try Lab(.upstream(["max_response_body": "1MiB", "total_timeout": "60s"])) {
      $0.listen["event_loops"] = "1"
    }
    try lab.expectHealthy()
    let request = Request.make("POST", Request.history, version: version)
    let paused = UpstreamStep { _, peer, _ in
      let body = LongBody(count: limit + 100)
      return body.send(to: peer, .close, upTo: limit - 10) && peer.wait(0.2)
        && body.sendBody(to: peer, .close, from: limit - 10, upTo: limit + 90) && peer.wait(0.2)
    }
    lab.upstream.script(LongBody(count: limit).step(.close))
    #expect(LongBody(count: limit).isEqual(to: try lab.call(request).body))
    for step in [LongBody(count: limit + 1).step(.close), Self.body.step(.close), paused, paused, paused] {
      lab.upstream.script(step)
      let connection = try lab.connect().send(request)
      #expect(try connection.receiveHead().status == 200)
      // A FIN would look like the end of the body.
      #expect(connection.socket.receiveAll().end == .reset)
      try lab.expectHealthy()
    }
    // The bytes that were cut off do not appear in a later response.
    lab.upstream.script(LongBody(count: limit).step())
    #expect(LongBody(count: limit).isEqual(to: try lab.call(Self.request, within: 30).body))
  }

  @Test func `a drain waits for the end of a long response`() throws {
    let lab = try Self.lab()
    let connection = try begin(lab)
    lab.gateway.signal(SIGTERM)
    try eventually("the listener to close") { (try? lab.connect()) == nil }
    try Self.body.expectArrival(on: connection, within: 30)
    #expect(try lab.gateway.waitForExit() == 0)
  }
}
