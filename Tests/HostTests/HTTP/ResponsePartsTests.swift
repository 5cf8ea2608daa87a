import AdapterAPI
import Foundation
import Testing

@testable import Host

/// The small parts of a response.
@Suite struct ResponsePartsTests {
  @Test(arguments: [
    (200, "HTTP/1.1 200 OK\r\n"), (204, "HTTP/1.1 204 No Content\r\n"), (404, "HTTP/1.1 404 Not Found\r\n"),
    (503, "HTTP/1.1 503 Service Unavailable\r\n"), (299, "HTTP/1.1 299 \r\n"),
  ])
  func `a status line has its reason phrase, or the space before it`(_ status: Int, _ line: String) {
    var bytes = ByteBuffer()
    StatusLine.append(status, to: &bytes)
    #expect(bytes.text == line)
  }

  @Test func `each status of a fault has a reason phrase`() {
    for code in HTTPFault.Code.allCases {
      var bytes = ByteBuffer()
      StatusLine.append(HTTPFault(code, "x").status, to: &bytes)
      let line = bytes.text
      #expect(!line.hasSuffix(" \r\n"), "\(code)")
    }
  }

  @Test(arguments: [
    (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
    (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
  ])
  func `HTTPDate writes IMF-fixdate`(_ seconds: Int64, _ text: String) {
    #expect(HTTPDate.text(of: seconds) == text)
  }

  @Test func `the Date field is written anew when its second is over`() {
    var date = HTTPDate()
    let now = Instant(nanoseconds: System.monotonic())
    let first = date.line(at: now)
    #expect(String(decoding: first, as: UTF8.self).hasPrefix("Date: ") && first.suffix(2) == [0x0D, 0x0A])
    let again = date.line(at: now)
    #expect(again == first)
    let later = date.line(at: now + .seconds(2))
    #expect(later.count == first.count)
  }

  @Test(arguments: [0, 1, 9, 10, 12_345, Int.max, Int.min, -7])
  func `numbers are written in decimal digits`(_ number: Int) {
    var bytes = ByteBuffer()
    bytes.append(UInt8(ascii: "A"))
    bytes.append(decimal: number)
    #expect(bytes.text == "A\(number)")
  }

  @Test func `ByteBuffer grows, gives its end away, and is emptied`() {
    var bytes = ByteBuffer()
    for _ in 0..<1000 { bytes.append("0123456789") }
    bytes.append(text: "äöü")
    bytes.append(contentsOf: [0x21, 0x22])
    #expect(bytes.count == 10_008)
    #expect(bytes.take(from: 10_000) == Array("äöü\u{21}\u{22}".utf8))
    let digits = bytes.text
    #expect(digits == String(repeating: "0123456789", count: 1000))
    bytes.removeAll(keeping: 16)
    #expect(bytes.count == 0)
    bytes.append("again")
    #expect(bytes.text == "again")
  }

  @Test func `SocketAddress reads and writes numeric addresses`() throws {
    let v4 = try #require(SocketAddress(numeric: "127.0.0.1", port: 80))
    #expect(v4.description == "127.0.0.1:80" && v4.host == "127.0.0.1" && v4.port == 80)
    let v6 = try #require(SocketAddress(numeric: "2001:db8::1", port: 65535))
    #expect(v6.description == "[2001:db8::1]:65535" && v6.port == 65535)
    for text in ["", "localhost", "127.0.0", "1.2.3.4.5", "::1%lo", "[::1]"] {
      #expect(SocketAddress(numeric: text, port: 1) == nil, "\(text)")
    }
    #expect(v4 == SocketAddress(numeric: "127.0.0.1", port: 80) && v4 != SocketAddress(numeric: "127.0.0.1", port: 81))
  }
}

extension ByteBuffer {
  fileprivate var text: String { String(decoding: bytes(0..<count), as: UTF8.self) }
}
