import Foundation
import TestSupport
import Testing

@Suite("Client connections", .blocking)
struct ConnectionTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  @Test func `a connection serves one request after another`() throws {
    let connection = try lab.connect()
    for number in 0..<20 {
      let response = try connection.send(Request.make(body: #"{"codes":["P\#(number)"]}"#)).receive()
      #expect(response.status == 200)
      #expect(response.text.contains("\"P\(number)\""))
    }
    #expect(Set(lab.upstream.dataCalls.map(\.connection)).count == 1, "the upstream's connection is reused as well")
  }

  @Test func `pipelined requests get their responses in order, even when the first is the slowest`() throws {
    lab.upstream.script(.delay(0.4))
    let connection = try lab.connect()
    let names = (0..<10).map { "P\($0)" }
    connection.send(names.flatMap { Request.make(body: #"{"codes":["\#($0)"]}"#) })
    for name in names { #expect(try connection.receive().text.contains("\"\(name)\"")) }
    try lab.expectHealthy()
  }

  @Test func `a request that arrives byte by byte is one request`() throws {
    let connection = try lab.connect()
    for byte in Request.make() { connection.send([byte]) }
    #expect(try connection.receive().status == 200)
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `a chunked body reaches the upstream whole, with extensions and trailers dropped`() throws {
    let body = #"{"codes":["P"],"n":9007199254740993}"#
    #expect(try lab.call(Request.framed("Transfer-Encoding: chunked\r\n", Request.chunked(body))).status == 200)
    let size = String(body.utf8.count, radix: 16)
    let extended = "\(size);a=b\r\n\(body)\r\n0\r\nX-Trailer: evil\r\n\r\n"
    #expect(try lab.call(Request.framed("Transfer-Encoding: chunked\r\n", extended)).status == 200)
    let spaced = extended.replacingOccurrences(of: ";a=b", with: " \t; a=b ;c")
    #expect(try lab.call(Request.framed("Transfer-Encoding: chunked\r\n", spaced)).status == 200)
    #expect(lab.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [body, body, body])
    #expect(!lab.upstream.dataCalls.contains { $0.text.contains("evil") })
  }

  @Test func `a request with Expect: 100-continue gets the interim response before it sends its body`() throws {
    let request = Request.make(fields: "Expect: 100-continue\r\n")
    let body = Array(Request.valuesBody.utf8)
    let connection = try lab.connect().send(Array(request.dropLast(body.count)))
    var interim: [UInt8] = []
    let expected = "HTTP/1.1 100 Continue\r\n\r\n"
    try connection.receive(expected.utf8.count, within: 3) { interim += $0 }
    #expect(String(decoding: interim, as: UTF8.self) == expected)
    #expect(try connection.send(body).receive().status == 200)
  }

  @Test func `a refused request gets no 100-continue, and an unknown expectation gets 417`() throws {
    let refused = try lab.connect()
    let request = Request.make(token: nil, fields: "Expect: 100-continue\r\n")
    let response = try refused.send(Array(request.dropLast(Request.valuesBody.utf8.count))).receive()
    #expect(response.status == 401)
    #expect(response.interim.isEmpty)
    #expect(try lab.call(Request.make(fields: "Expect: 200-maybe\r\n")).outcome == "417 expectation_failed")
  }

  @Test func `a client that closes its sending side still gets its response, then the connection ends`() throws {
    lab.upstream.script(.delay(0.2))
    let connection = try lab.connect().send(Request.make())
    connection.socket.finish()
    #expect(try connection.receive().status == 200)
    #expect(connection.isClosed())
  }

  @Test func `Connection: close and HTTP/1.0 end the connection after the response`() throws {
    for request in [Request.make(fields: "Connection: close\r\n"), Request.make(version: "1.0")] {
      let connection = try lab.connect().send(request)
      #expect(try connection.receive().status == 200)
      #expect(connection.isClosed())
    }
  }

  @Test func `an idle connection is closed after the idle timeout, without a byte`() throws {
    let lab = try Lab { $0.listen["idle_timeout"] = "300ms" }
    let fresh = try lab.connect()
    #expect(fresh.isClosed(within: 5))
    let used = try lab.connect()
    #expect(try used.send(Request.make()).receive().status == 200)
    #expect(used.isClosed(within: 5))
  }

  @Test func `request lines within the body of an unauthorized request get no responses`() throws {
    let line = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    let connection = try lab.connect().send(Request.make(body: String(repeating: line, count: 3000), token: nil))
    #expect(try connection.receive().status == 401)
    // Either the gateway has read the body and serves the next request, or it has closed the connection.
    if connection.isClosed(within: 0.5) { return }
    #expect(try connection.send(Request.make()).receive().status == 200)
  }

  // MARK: Refused requests with a body

  struct Refusal: Sendable, CustomTestStringConvertible {
    let status: Int
    let path: String
    var method = "POST"
    var token: String? = JWT.caller()
    var contentType: String? = "application/json"
    var body = Request.valuesBody
    var testDescription: String { "\(status) \(method) \(path)" }
  }

  /// Longer than the limit of the route for alarms.
  private static let long = #"{"x":"\#(String(repeating: "x", count: 2000))"}"#

  static let refusals = [
    Refusal(status: 401, path: Request.values, token: nil),
    Refusal(status: 401, path: Request.values, token: JWT.caller(expiresIn: -120)),
    Refusal(status: 403, path: Request.forceSet, body: Request.setBody),
    Refusal(status: 404, path: "/api/iot/nothing"), Refusal(status: 404, path: Request.objects + "/1/2/3"),
    Refusal(status: 405, path: Request.values, method: "PUT"), Refusal(status: 405, path: Request.token),
    Refusal(status: 405, path: Request.values, method: "GET"),
    Refusal(status: 413, path: Request.alarms, body: long),
    Refusal(status: 415, path: Request.values, contentType: "text/plain"),
    Refusal(status: 400, path: Request.values, body: "{"),
    Refusal(status: 501, path: "/api/gateway/status", method: "GET"),
  ]

  private static func restricted() throws -> Lab {
    try Lab {
      $0.hasCatalogue = true
      $0.routes["force-set"] = ["roles": "[admin]"]
      $0.routes["alarms"] = ["max_body_size": "1KiB"]
      $0.more = "  - {method: GET, path: /api/gateway/status, operation: status}\n"
    }
  }

  /// Returns a refused request in two framings, each with a head that a server might take for the next request within its body.
  private static func framings(_ refusal: Refusal, _ fields: String = "") -> [[UInt8]] {
    let plain = Request.make(
      refusal.method, refusal.path, body: refusal.body, token: refusal.token, contentType: refusal.contentType,
      fields: fields)
    let head = String(
      decoding: Request.make(
        refusal.method, refusal.path, body: nil, token: refusal.token,
        fields: (refusal.contentType.map { "Content-Type: \($0)\r\n" } ?? "") + "Transfer-Encoding: chunked\r\n"
          + fields),
      as: UTF8.self)
    let chunked = Request.chunked(refusal.body, size: 700).dropLast() + "X-Trailer: x\r\n\r\n"
    return [plain, Array((head + chunked).utf8)]
  }

  @Test(arguments: refusals)
  func `a refused request whose body has arrived keeps its connection, and the next request is served`(
    _ refusal: Refusal
  ) throws {
    let lab = try Self.restricted()
    for request in Self.framings(refusal) {
      let connection = try lab.connect()
      // Pipelined: the bodies are in the buffer together with the next heads.
      connection.send(request + request + Request.make())
      for _ in 0..<2 {
        let response = try connection.receive(to: refusal.method)
        #expect(response.status == refusal.status)
        #expect(response.keepsAlive)
      }
      #expect(try connection.receive().status == 200)
      // One after the other.
      #expect(try connection.send(request).receive(to: refusal.method).status == refusal.status)
      #expect(try connection.send(Request.make()).receive().status == 200)
    }
  }

  @Test(arguments: refusals)
  func `a refused request with Connection: close ends its connection, and nothing behind it is served`(
    _ refusal: Refusal
  ) throws {
    let lab = try Self.restricted()
    for request in Self.framings(refusal, "Connection: close\r\n") {
      let connection = try lab.connect().send(request + Request.make())
      let response = try connection.receive(to: refusal.method)
      #expect(response.status == refusal.status && !response.keepsAlive)
      #expect(connection.isClosed())
    }
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test func `a refused request whose body is not complete, or not well-formed, ends its connection`() throws {
    let framed = { (fields: String, rest: String) in Request.framed(fields, rest, token: "none") }
    for request in [
      framed("Content-Length: 20\r\n", #"{"codes":["P"]}"#),
      framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
      framed("Transfer-Encoding: chunked\r\n", "5\r\nhello, world\r\n0\r\n\r\n"),
      framed("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
      framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"),
      framed("Expect: 100-continue\r\nContent-Length: 20\r\n", ""),
    ] {
      let connection = try lab.connect().send(request)
      let response = try connection.receive()
      #expect(response.status == 401 && !response.keepsAlive)
      connection.send(Request.make())
      #expect(connection.isClosed())
    }
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test func `a refused request that announces 100-continue and sends its body at once keeps its connection`() throws {
    let connection = try lab.connect()
    connection.send(Request.make(token: nil, fields: "Expect: 100-continue\r\n") + Request.make())
    let response = try connection.receive()
    #expect(response.status == 401 && response.keepsAlive && response.interim.isEmpty)
    #expect(try connection.receive().status == 200)
  }
}
