import TestSupport
import Testing

@Suite("Ambiguous framing", .blocking)
struct SmugglingTests {
  struct Case: Sendable {
    let name: String
    let request: [UInt8]
    var statuses: Set<Int> = [400]
  }

  private static let body = Request.valuesBody
  private static let length = "Content-Length: \(body.utf8.count)\r\n"
  private static let chunked = "Transfer-Encoding: chunked\r\n"
  private static let second = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
  private static func chunk(_ size: String, end: String = "\r\n") -> String { "\(size)\(end)\(body)\r\n0\r\n\r\n" }
  private static let size = String(body.utf8.count, radix: 16)

  /// Two lengths, or a length that only a lenient parser accepts.
  static let lengths = [
    Case(name: "length, then chunked", request: Request.framed(length + chunked, Request.chunked(body))),
    Case(name: "chunked, then length", request: Request.framed(chunked + length, Request.chunked(body))),
    Case(
      name: "a request behind the shorter reading",
      request: Request.framed("Content-Length: 5\r\n" + chunked, "0\r\n\r\n" + second)),
    Case(name: "two different lengths", request: Request.framed(length + "Content-Length: 16\r\n", body)),
    Case(name: "a list of lengths", request: Request.framed("Content-Length: 15, 16\r\n", body)),
    Case(name: "a signed length", request: Request.framed("Content-Length: +15\r\n", body)),
    Case(name: "a negative length", request: Request.framed("Content-Length: -1\r\n", body)),
    Case(name: "a hexadecimal length", request: Request.framed("Content-Length: 0xf\r\n", body)),
    Case(name: "an empty length", request: Request.framed("Content-Length:\r\n", body)),
    Case(
      name: "a length beyond 64 bits", request: Request.framed("Content-Length: 99999999999999999999\r\n", body),
      statuses: [400, 413]),
  ]

  static let fields = [
    Case(
      name: "a space before the colon",
      request: Request.framed("Transfer-Encoding : chunked\r\n", Request.chunked(body))),
    Case(name: "a tab before the colon", request: Request.framed("Content-Length\t: 15\r\n", body)),
    Case(
      name: "a vertical tab in the value",
      request: Request.framed("Transfer-Encoding:\u{0B}chunked\r\n", Request.chunked(body)), statuses: [400, 501]),
    Case(name: "a folded line", request: Request.framed("X-A: b\r\n c\r\n" + length, body)),
    Case(name: "a folded coding", request: Request.framed("Transfer-Encoding:\r\n chunked\r\n", Request.chunked(body))),
    Case(name: "a line without a colon", request: Request.framed("Content-Length 15\r\n" + length, body)),
    Case(name: "a name that is empty", request: Request.framed(": x\r\n" + length, body)),
    Case(name: "NUL in a value", request: Request.framed("X-A: a\u{0}b\r\n" + length, body)),
    Case(name: "a bare CR in a value", request: Request.framed("X-A: a\rb\r\n" + length, body)),
    Case(name: "lines that end in LF", request: Request.framed("X-A: a\n" + length, body)),
    Case(name: "two Host fields", request: Request.framed("Host: other\r\n" + length, body)),
    Case(name: "no Host", request: Array("GET /api/iot/token HTTP/1.1\r\n\r\n".utf8)),
    Case(
      name: "another coding", request: Request.framed("Transfer-Encoding: xchunked\r\n", Request.chunked(body)),
      statuses: [400, 501]),
    Case(
      name: "identity", request: Request.framed("Transfer-Encoding: identity\r\n", Request.chunked(body)),
      statuses: [400, 501]),
    Case(
      name: "chunked twice", request: Request.framed("Transfer-Encoding: chunked, chunked\r\n", Request.chunked(body)),
      statuses: [400, 501]),
    Case(
      name: "two spaces in the request line", request: Array("GET  /api/iot/token HTTP/1.1\r\nHost: x\r\n\r\n".utf8)),
    Case(
      name: "a control character in the target", request: Array("GET /api/\u{1}iot HTTP/1.1\r\nHost: x\r\n\r\n".utf8)),
    Case(name: "no version", request: Array("GET /api/iot/token\r\nHost: x\r\n\r\n".utf8), statuses: [400, 505]),
  ]

  static let chunks =
    ["0x\(size)", "+\(size)", "\(size)_", "-1", "", "f g", "ffffffffffffffffff", " \(size)"].map {
      Case(name: "chunk size '\($0)'", request: Request.framed(chunked, chunk($0)), statuses: [400, 413])
    } + [
      Case(name: "a size line that ends in LF", request: Request.framed(chunked, chunk(size, end: "\n"))),
      Case(name: "a size line that ends in CR", request: Request.framed(chunked, chunk(size, end: "\r"))),
      Case(name: "a chunk longer than its size", request: Request.framed(chunked, "2\r\n\(body)\r\n0\r\n\r\n")),
      Case(
        name: "CRLF in a quoted extension",
        request: Request.framed(chunked, "\(size);a=\"\r\n\(second)\"\r\n\(body)\r\n0\r\n\r\n")),
      Case(
        name: "an extension that ends in LF",
        request: Request.framed(chunked, "\(size);a=\"\n\(body)\r\n0\r\n\r\n" + second)),
      Case(name: "a last chunk that ends in LF", request: Request.framed(chunked, "\(size)\r\n\(body)\r\n0\n\r\n")),
    ]

  @Test(arguments: [lengths, fields, chunks])
  func `a request that can be read in two ways is refused, is not sent upstream, and ends the connection`(
    _ cases: [Case]
  ) throws {
    let lab = try Lab()
    for entry in cases {
      let connection = try lab.connect()
      // A second request after it must not get a response.
      connection.send(entry.request + Request.make())
      let response = try connection.receive()
      #expect(entry.statuses.contains(response.status), "\(entry.name): \(response.status) \(response.text)")
      #expect(connection.isClosed(), "\(entry.name): closed, with nothing more sent")
      #expect(lab.upstream.dataCalls.isEmpty, "\(entry.name)")
    }
    try lab.expectHealthy()
  }
}
