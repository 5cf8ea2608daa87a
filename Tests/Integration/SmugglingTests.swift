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

  private static func framed(
    _ name: String, _ fields: String, _ rest: String = body, _ statuses: Set<Int> = [400]
  ) -> Case {
    Case(name: name, request: Request.framed(fields, rest), statuses: statuses)
  }

  /// Two lengths, or a length that only a lenient parser accepts.
  static let lengths = [
    framed("length, then chunked", length + chunked, Request.chunked(body)),
    framed("chunked, then length", chunked + length, Request.chunked(body)),
    framed("a request behind the shorter reading", "Content-Length: 5\r\n" + chunked, "0\r\n\r\n" + second),
    framed("two different lengths", length + "Content-Length: 16\r\n"),
    framed("a list of lengths", "Content-Length: 15, 16\r\n"),
    framed("a signed length", "Content-Length: +15\r\n"),
    framed("a negative length", "Content-Length: -1\r\n"),
    framed("a hexadecimal length", "Content-Length: 0xf\r\n"),
    framed("an empty length", "Content-Length:\r\n"),
    framed("a length beyond 64 bits", "Content-Length: 99999999999999999999\r\n", body, [400, 413]),
  ]

  static let fields = [
    framed("a space before the colon", "Transfer-Encoding : chunked\r\n", Request.chunked(body)),
    framed("a tab before the colon", "Content-Length\t: 15\r\n"),
    framed("a vertical tab", "Transfer-Encoding:\u{0B}chunked\r\n", Request.chunked(body), [400, 501]),
    framed("a folded line", "X-A: b\r\n c\r\n" + length),
    framed("a folded coding", "Transfer-Encoding:\r\n chunked\r\n", Request.chunked(body)),
    framed("a line without a colon", "Content-Length 15\r\n" + length),
    framed("a name that is empty", ": x\r\n" + length),
    framed("NUL in a value", "X-A: a\u{0}b\r\n" + length),
    framed("a bare CR in a value", "X-A: a\rb\r\n" + length),
    framed("lines that end in LF", "X-A: a\n" + length),
    framed("two Host fields", "Host: other\r\n" + length),
    framed("another coding", "Transfer-Encoding: xchunked\r\n", Request.chunked(body), [400, 501]),
    framed("identity", "Transfer-Encoding: identity\r\n", Request.chunked(body), [400, 501]),
    framed("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", Request.chunked(body), [400, 501]),
  ]

  static let heads = [
    ("no Host", "GET /api/iot/token HTTP/1.1\r\n", [400]),
    ("two spaces in the request line", "GET  /api/iot/token HTTP/1.1\r\nHost: x\r\n", [400]),
    ("a control character in the target", "GET /api/\u{1}iot HTTP/1.1\r\nHost: x\r\n", [400]),
    ("no version", "GET /api/iot/token\r\nHost: x\r\n", [400, 505]),
  ].map { Case(name: $0, request: Array("\($1)\r\n".utf8), statuses: Set($2)) }

  static let chunks =
    ["0x\(size)", "+\(size)", "\(size)_", "-1", "", "f g", "ffffffffffffffffff", " \(size)"].map {
      framed("chunk size '\($0)'", chunked, chunk($0), [400, 413])
    } + [
      framed("a size line that ends in LF", chunked, chunk(size, end: "\n")),
      framed("a size line that ends in CR", chunked, chunk(size, end: "\r")),
      framed("a chunk longer than its size", chunked, "2\r\n\(body)\r\n0\r\n\r\n"),
      framed("CRLF in a quoted extension", chunked, "\(size);a=\"\r\n\(second)\"\r\n\(body)\r\n0\r\n\r\n"),
      framed("an extension that ends in LF", chunked, "\(size);a=\"\n\(body)\r\n0\r\n\r\n" + second),
      framed("a last chunk that ends in LF", chunked, "\(size)\r\n\(body)\r\n0\n\r\n"),
    ]

  @Test(arguments: [lengths, fields, heads, chunks])
  func `a request that can be read in two ways is refused, is not sent upstream, and ends the connection`(
    _ cases: [Case]
  ) throws {
    let lab = try Lab()
    for entry in cases {
      // A second request after it must not get a response.
      let connection = try lab.connect().send(entry.request + Request.make())
      let response = try connection.receive()
      #expect(entry.statuses.contains(response.status), "\(entry.name): \(response.status) \(response.text)")
      #expect(connection.isClosed(), "\(entry.name): closed, with nothing more sent")
      #expect(lab.upstream.dataCalls.isEmpty, "\(entry.name)")
    }
    try lab.expectHealthy()
  }
}
