import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct RefusedRequestTests {
  private let long = String(repeating: "a", count: 20_000)

  /// Requests that the parser refuses, with their status. Each begins with its method.
  private var refused: [(request: String, status: Int)] {
    [
      ("/ HTTP/1.1\r\n\r\n", 400), ("/ HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n", 400), ("/ JTTP\r\n\r\n", 400),
      ("x HTTP/1.1\r\n", 400), ("/\r\n", 400), ("/\u{0} HTTP/1.1\r\n", 400),
      ("/\(long) HTTP/1.1\r\nHost: h\r\n\r\n", 414), ("/ HTTP/1.1\r\nHost: h\r\nX: \(long)\r\n\r\n", 431),
      ("/ HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417),
      ("/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501), ("/ HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    ]
  }

  @Test func `a refused HEAD has the head of its error and no body`() async throws {
    try await ServerRig.with(handler: { $0.respond("ok") }) { rig in
      for (rest, status) in refused {
        for (method, hasBody) in [("HEAD ", false), ("\r\nHEAD ", false), ("GET ", true), ("HEADER ", true)] {
          let client = try await rig.connect(then: method + rest)
          let (text, _) = client.receiveAll()
          let parts = text.components(separatedBy: "\r\n\r\n")
          #expect(parts.count == 2 && parts[0].hasPrefix("HTTP/1.1 \(status) "), "\(method)\(rest.prefix(60))")
          #expect(parts.last?.isEmpty != hasBody, "\(method)\(rest.prefix(60))")
          let length = text.firstMatch(of: /Content-Length: (\d+)/).flatMap { Int($0.1) }
          #expect(length == (hasBody ? parts.last?.utf8.count : nil))
        }
      }
    }
  }

  @Test func `a HEAD whose head is late has no body in its 408`() async throws {
    let timeouts = ServerRig.timeouts { $0.header = Duration.milliseconds(100).nanoseconds }
    try await ServerRig.with(timeouts, handler: { $0.respond("ok") }) { rig in
      for (request, hasBody) in [("HEAD / HTTP/1.1\r\nHost", false), ("GET / HTTP/1.1\r\nHost", true), ("HEA", true)] {
        let client = try await rig.connect(then: request)
        let parts = client.receiveAll().text.components(separatedBy: "\r\n\r\n")
        #expect(parts.count == 2 && parts[0].hasPrefix("HTTP/1.1 408 "))
        #expect(parts.last?.isEmpty != hasBody, "\(request)")
      }
    }
  }

  @Test func `a HEAD behind a request on the same connection is refused without a body`() async throws {
    try await ServerRig.withClient(handler: { $0.respond("ok") }) { _, client in
      client.send(get("/a") + "HEAD / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n")
      #expect(client.receiveMessage()?.text == "ok")
      let (text, _) = client.receiveAll()
      #expect(text.hasPrefix("HTTP/1.1 400 ") && text.hasSuffix("\r\n\r\n"))
    }
  }

  @Test(
    arguments: [
      ([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03], 400, "TLS handshake on a plain HTTP port"),
      ([0x16], 400, "TLS handshake"), ([0x80, 0x2e, 0x01, 0x03, 0x01, 0x00, 0x15], 400, "TLS handshake"),
      ([0x05, 0x01, 0x00], 400, "SOCKS"), ([0x04, 0x01, 0x00, 0x50, 127, 0, 0, 1, 0x00], 400, "SOCKS"),
      (Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), 505, "HTTP/2"),
      (Array("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / HTTP/1.1\r\n".utf8), 400, "PROXY protocol"),
      (Array("PROXY TCP6 ::1 ::1 56324 8080\r\nGET / HTTP/1.1\r\n".utf8), 400, "PROXY protocol"),
      (Array("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n".utf8), 400, "PROXY protocol"),
      (Array("\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}".utf8), 400, "PROXY protocol"),
      (Array("SSH-2.0-OpenSSH_9.6\r\n".utf8), 400, "not HTTP/1.1"), ([0x00, 0x01, 0x02], 400, "not HTTP/1.1"),
    ] as [([UInt8], Int, String)])
  func `bytes of another protocol are refused by its name`(_ bytes: [UInt8], _ status: Int, _ word: String) async throws
  {
    try await ServerRig.withClient(handler: { $0.respond("ok") }) { _, client in
      client.send(bytes)
      let (text, _) = client.receiveAll()
      #expect(text.hasPrefix("HTTP/1.1 \(status) ") && text.contains(word), "\(text)")
    }
  }

  @Test func `method and path of a refused request are read as far as they are there, and never a credential`() {
    func read(_ text: String) -> (method: String, path: String) {
      let refused = Array(text.utf8).withUnsafeBufferPointer { RefusedRequest(.headTimeout, $0, remote: "") }
      return (String(decoding: refused.method, as: UTF8.self), String(decoding: refused.path, as: UTF8.self))
    }
    for (text, method, path) in [
      ("GET /a/b?ticket=t HTTP/1.1\r\n", "GET", "/a/b"), ("\r\nPOST /a\r\nAuthorization: Bearer t", "POST", "/a"),
      ("GET http://user:t@host/a HTTP/1.1\r\n", "GET", ""), ("GET", "", ""), ("GET ", "GET", ""),
      ("Authorization: Bearer t\r\n", "", ""), ("GET /\u{e4} HTTP/1.1\r\n", "GET", "/\u{e4}"), ("", "", ""),
      (String(repeating: "M", count: 40) + " / HTTP/1.1\r\n", "", ""), ("\u{16}\u{3}\u{1}", "", ""),
    ] {
      let found = read(text)
      #expect(found.method == method && found.path == path, "\(text)")
    }
  }
}
