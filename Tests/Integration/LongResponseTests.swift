import Foundation
import TestSupport
import Testing

/// Long responses, whose rest goes from socket to socket, or through the gateway's memory where the framing requires
/// it.
@Suite("Long responses", .blocking)
struct LongResponseTests {
  static let sizes = [1, 65_535, 65_536, 65_537, 262_144, 8 << 20]

  private static func history(_ version: String = "1.1") -> [UInt8] {
    Request.make("POST", Request.history, version: version)
  }

  private static func lab(_ settings: [String: String] = [:]) throws -> Lab {
    let lab = try Lab(.upstream(["max_response_body": "0", "total_timeout": "120s"].merging(settings) { $1 }))
    try lab.expectHealthy()
    return lab
  }

  @Test(arguments: LongBody.Framing.allCases)
  func `a body of any size arrives unchanged, and connections stay usable`(_ framing: LongBody.Framing) throws {
    let lab = try Self.lab()
    lab.upstream.forgetCalls()
    let connection = try lab.connect()
    for size in Self.sizes {
      let body = LongBody(count: size)
      lab.upstream.script(body.step(framing))
      let response = try connection.send(Self.history()).receive(within: 30)
      #expect(response.status == 200)
      #expect(body.isEqual(to: response.body), "\(size) bytes")
      if framing == .length { #expect(response["Content-Length"] == String(size)) }
      #expect(try connection.send(Request.make()).receive().status == 200, "after \(size) bytes")
    }
    let connections = Set(lab.upstream.dataCalls.map(\.connection))
    #expect(framing == .close || connections.count == 1, "the upstream's connection was reused each time")
  }

  @Test(arguments: LongBody.Framing.allCases)
  func `an HTTP/1.0 client gets the body without chunks`(_ framing: LongBody.Framing) throws {
    let lab = try Self.lab()
    for size in [65_537, 262_144, 3 << 20] {
      let body = LongBody(count: size)
      lab.upstream.script(body.step(framing))
      let connection = try lab.connect()
      let response = try connection.send(Self.history("1.0")).receive(within: 30)
      #expect(response["Transfer-Encoding"] == nil)
      #expect(body.isEqual(to: response.body), "\(size) bytes")
      #expect(connection.isClosed())
    }
    try lab.expectHealthy()
  }

  @Test func `a body of 300 MB does not increase the gateway's memory`() throws {
    let lab = try Self.lab()
    let body = LongBody(count: 300 << 20)
    // Later streams reuse the memory of the first.
    lab.upstream.script(LongBody(count: 8 << 20).step(), body.step())
    #expect(try lab.call(Self.history(), within: 30).status == 200)
    let before = lab.gateway.residentMemory
    let connection = try lab.connect()
    #expect(try connection.send(Self.history()).receiveHead()["Content-Length"] == String(body.count))
    var check = LongBody.Check()
    var (peak, next) = (0, 0)
    try connection.receive(body.count, within: 60) { piece in
      check.take(piece)
      guard check.count > next else { return }
      next += 8 << 20
      peak = max(peak, lab.gateway.residentMemory)
    }
    #expect(check.isRight && check.count == body.count)
    #expect(peak - before < 2 << 20)
  }

  @Test func `more slow readers than pipes use bounded memory and lose no byte`() throws {
    let readers = 150
    let lab = try Self.lab(["max_connections": "256", "max_in_flight": "256"])
    let body = LongBody(count: 6 << 20)
    lab.upstream.always(UpstreamStep { ($2.kind == .history ? body.step() : .normal).run($0, $1, $2) })
    let before = lab.gateway.residentMemory
    let connections = try (0..<readers).map { _ in try lab.connect(receiveBuffer: 16 << 10).send(Self.history()) }
    for connection in connections { #expect(try connection.receiveHead(within: 30).status == 200) }
    var (last, still) = (-1, 0)
    try eventually("all responses to stall", within: 60) {
      let bytes = lab.upstream.sentBytes
      still = bytes == last ? still + 1 : 0
      last = bytes
      return still > 40
    }
    // The buffered part of each response, and one piece for those without a pipe.
    #expect(lab.gateway.residentMemory - before < readers * (192 << 10))
    for connection in connections.suffix(6) + connections.prefix(6) {
      try body.expectArrival(on: connection, within: 60)
    }
  }

  @Test func `a request pipelined after one with a long response gets its response after it`() throws {
    let lab = try Self.lab()
    let body = LongBody(count: 2 << 20)
    lab.upstream.script(body.step(), body.step())
    let connection = try lab.connect(receiveBuffer: 64 << 10).send(Self.history() + Self.history() + Request.make())
    #expect(body.isEqual(to: try connection.receive(within: 30).body))
    #expect(body.isEqual(to: try connection.receive(within: 30).body))
    #expect(try connection.receive().status == 200)
  }

  @Test func `a long response sent in small pieces with pauses arrives complete`() throws {
    let lab = try Self.lab()
    let body = LongBody(count: 400_000)
    lab.upstream.script(
      UpstreamStep { _, peer, _ in
        guard body.send(to: peer, upTo: 100_000, by: 999), peer.wait(0.2) else { return false }
        return body.sendBody(to: peer, .length, from: 100_000, upTo: 399_999, by: 1) && peer.wait(0.2)
          && body.sendBody(to: peer, .length, from: 399_999, upTo: 400_000)
      })
    #expect(body.isEqual(to: try lab.call(Self.history(), within: 60).body))
    try lab.expectHealthy()
  }
}
