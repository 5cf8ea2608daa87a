import TestSupport
import Testing

@Suite("The tools of the tests", .blocking)
struct SupportTests {
  @Test(
    arguments: [
      (
        Array("Jefe".utf8), "what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
    ])
  func `HMAC gives the values of RFC 4231`(_ key: [UInt8], _ message: String, _ code: String) {
    let digits = JWT.hmac(key: key, Array(message.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    #expect(digits.joined() == code)
  }

  @Test(
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", .closed),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", .closed),
      ("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", .malformed("a bare LF")),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", .malformed("ambiguous framing")),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", .malformed("a chunk longer than its size")),
    ] as [(String, MessageError)])
  func `a response that is malformed or cut off throws`(_ bytes: String, _ error: MessageError) throws {
    let upstream = try ScriptedUpstream { peer in peer.send(bytes) }
    let socket = try TestSocket.connect(port: upstream.port)
    #expect(throws: error) { try socket.receiveResponse() }
  }

  @Test func `the scripted WebTalk issues tokens, refuses a used refresh token and serves a valid token`() throws {
    let upstream = try ScriptedWebTalk()
    let connection = try RawConnection(port: upstream.port)
    let path = "/_webtalk/_cur/api/access_token"
    let first = try connection.send(get("\(path)?grant_type=authorization&appId=\(Secrets.appID)")).receive(to: "GET")
    let refresh = try #require(first.json?["refresh_token"] as? String)
    let again = get("\(path)?grant_type=refresh&appId=\(Secrets.appID)&refreshToken=\(refresh)")
    #expect(try connection.send(again).receive(to: "GET").json?["access_token"] is String)
    #expect(try connection.send(again).receive(to: "GET").json?["code"] as? Int == 305)
    #expect(upstream.reusedRefreshTokens == 1)

    let access = try #require(first.json?["access_token"] as? String)
    let body = #"{"codes":["A","B"]}"#
    connection.send(
      "POST /_webtalk/_cur/api/getCodesVal HTTP/1.1\r\nHost: u\r\nappId: \(Secrets.appID)\r\nToken: \(access)\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    #expect(try connection.receive().text.contains(#""pointId":"B","value":\#(Wire.value(of: "B"))"#))
    #expect(upstream.dataCalls.map { $0.body } == [Array(body.utf8)])
    upstream.stop()
    #expect(connection.isClosed())
  }

  private func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: u\r\n\r\n" }
}
