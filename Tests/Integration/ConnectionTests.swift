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
}
