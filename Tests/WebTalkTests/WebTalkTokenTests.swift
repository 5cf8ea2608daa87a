import AdapterAPI
import AdapterTestKit
import Testing

@testable import WebTalk

@Suite("WebTalk: the token")
struct WebTalkTokenTests {
  /// `TestClock`'s wall time.
  static let now: Int64 = 1_781_692_200_000
  static let assumed: (Int64, Int64) = (now + 7_200_000, 7_200_000)

  private func error(_ body: String, status: Int = 200, current: Token?) async throws -> AdapterError? {
    try await Bench().refreshError(current, response: .whole(body, status: status))
  }

  private func pair(refresh: String = "r") throws -> Token {
    try Token(access: "a", refresh: refresh, expiresAt: 0, lifetime: 0)
  }

  @Test func `authorizing and refreshing are one GET each, with percent-encoded credentials`() async throws {
    let bench = try Bench(appID: "id/+&=?%")
    for _ in 1...2 { bench.client.script { _ in .whole(#"{"access_token":"x"}"#) } }
    _ = try await bench.adapter.refresh(nil, deadline: .distantFuture)
    _ = try await bench.adapter.refresh(try pair(refresh: "r /+é"), deadline: .distantFuture)
    let requests = bench.client.requests
    #expect(requests.map(\.method) == [.get, .get])
    #expect(requests[0].target == "/_webtalk/_cur/api/access_token?grant_type=authorization&appId=id%2F%2B%26%3D%3F%25")
    #expect(
      requests[1].target
        == "/_webtalk/_cur/api/access_token?grant_type=refresh&appId=id%2F%2B%26%3D%3F%25&refreshToken=r%20%2F%2B%C3%A9"
    )
    // A rotating refresh token must not be sent twice.
    #expect(requests.map(\.isWrite) == [false, true])
  }

  @Test func `a pair without a refresh token is renewed by authorizing`() async throws {
    let bench = try Bench()
    bench.client.script { _ in .whole(#"{"access_token":"x"}"#) }
    let token = try await bench.adapter.refresh(try pair(refresh: ""), deadline: .distantFuture)
    #expect(bench.client.requests.first?.target.contains("grant_type=authorization") == true)
    #expect(token.refresh == "")
  }

  @Test(arguments: [
    (#"{"iat":1781692200,"exp":1781699400}"#, (now + 7_200_000, Int64(7_200_000))),
    // The upstream's clock is an hour behind, which does not change the lifetime.
    (#"{"iat":1781688600,"exp":1781692199}"#, (now - 1000, 3_599_000)),
    (#"{"exp":1781692260}"#, (now + 60_000, 60_000)), (#"{"exp":1781692260.5}"#, (now + 60_500, 60_500)),
    (#"{"iat":0,"exp":999999999999}"#, (999_999_999_999_000, WebTalk.longestLifetime)),
    (#"{"exp":1781692199}"#, assumed), (#"{"iat":1781692200,"exp":1781692200}"#, assumed),
    (#"{"iat":1781692200}"#, assumed), (#"{"exp":"1781699400"}"#, assumed), (#"{"exp":1e300}"#, assumed),
    (#"{"exp":-5}"#, assumed), (#"{"exp":9007199254740993,"iat":0}"#, assumed), ("not json", assumed),
  ])
  func `a token's life is read from its claims`(_ claims: String, _ expected: (Int64, Int64)) {
    let life = WebTalk.life(ofToken: JWT.make(claims), now: Self.now)
    #expect(life == expected)
  }

  @Test(arguments: ["opaque", "", ".", "..", "a.!!!.b", "a.b.c.d", "eyJhbGciOiJIUzI1NiJ9.e30"])
  func `a token that is no JWT has an assumed life of two hours`(_ token: String) {
    #expect(WebTalk.life(ofToken: token, now: Self.now) == Self.assumed)
  }

  @Test(arguments: [#"{"code":305}"#, #"{"code":306}"#, #"{"code":"305"}"#, #"{"code":301}"#, #"{"code":302}"#])
  func `a rejected refresh token is refreshRejected`(_ body: String) async throws {
    #expect(try await error(body, current: try pair())?.code == .refreshRejected)
    #expect(try await error("no", status: 401, current: try pair())?.code == .refreshRejected)
  }

  @Test(arguments: [
    #"{"code":305}"#, #"{"code":304,"error":"invalid appId"}"#, #"{"code":500}"#, "<html>", "", "{}", "[]",
  ])
  func `any other response is malformed, with its code and the upstream's sentence in the detail`(_ body: String)
    async throws
  {
    let authorized = try #require(try await error(body, current: nil))
    #expect(authorized.code == .malformed)
    #expect(authorized.detail.contains("code 304: invalid appId") == body.contains("invalid appId"))
    if let code = TopLevel.code(in: Array(body.utf8)) { #expect(authorized.detail.contains("code \(code)")) }
    if body != #"{"code":305}"# { #expect(try await error(body, current: try pair())?.code == .malformed) }
  }

  @Test(arguments: [
    (#"{"code":500,"error":"","msg":"no\nsuch"}"#, "code 500: no?such"),
    (#"{"code":500,"error":7,"msg":"no"}"#, "code 500: no"), (#"{"code":500,"error":{"x":1}}"#, "code 500"),
    ("\u{feff}{\"code\":500,\"error\":\"no\"}", "code 500: no"),
    (
      #"{"code":500,"error":"\#(String(repeating: "x", count: 300))"}"#,
      "code 500: " + String(repeating: "x", count: 200) + "…"
    ),
    // Sentences that repeat a credential, as it is or as a part of a URL, are left out.
    (#"{"code":304,"error":"unknown app \#(SimulatedWebTalk.appID)!"}"#, "code 304"),
    (#"{"code":304,"error":"unknown app \#(SimulatedWebTalk.appID.uppercased())"}"#, "code 304"),
    (#"{"code":304,"error":"bad: /x?grant_type=a&appId=%61"}"#, "code 304"),
    (#"{"code":500,"error":"r /+é is used"}"#, "code 500"), (#"{"code":500,"error":"r%20%2f%2B%C3%A9"}"#, "code 500"),
    (#"{"code":500,"error":"token eyJhbGciOi.e30.x is old"}"#, "code 500"),
  ])
  func `the detail of a failed exchange ends in the upstream's sentence, without any credential`(
    _ body: String, _ end: String
  ) async throws {
    let failure = try #require(try await error(body, current: try pair(refresh: "r /+é")))
    #expect(failure.detail.hasSuffix(end), "\(failure.detail)")
    #expect(!failure.message.contains("code"))
  }

  @Test(arguments: [302, 404, 500, 503])
  func `a failing server is malformed, which keeps the pair`(_ status: Int) async throws {
    #expect(try await error("<html>", status: status, current: try pair())?.code == .malformed)
  }

  @Test(arguments: [
    #"{"access_token":""}"#, #"{"access_token":7}"#, #"{"access_token":"a\r\nX: y"}"#, #"{"access_token":null}"#,
  ])
  func `an access token that does not fit a header field is refused`(_ body: String) async throws {
    #expect(try await error(body, current: nil)?.code == .malformed)
  }

  @Test(arguments: ["\u{feff}", "\u{feff} \r\n", "\n"])
  func `a byte order mark before the token response is ignored`(_ mark: String) async throws {
    let bench = try Bench()
    bench.client.script { _ in .whole(mark + #"{"access_token":"x","refresh_token":"y"}"#) }
    let token = try await bench.adapter.refresh(nil, deadline: .distantFuture)
    #expect(token.access == "x")
    #expect(token.refresh == "y")
    #expect(try await error(mark + #"{"code":305}"#, current: try pair())?.code == .refreshRejected)
  }

  @Test(arguments: ["\u{feff}", "\u{feff}\u{feff}{\"access_token\":\"x\"}", " \u{feff}{\"access_token\":\"x\"}"])
  func `a byte order mark anywhere else in a token response is refused`(_ body: String) async throws {
    #expect(try await error(body, current: nil)?.code == .malformed)
  }

  @Test func `a token response with a long body is cancelled`() async throws {
    let rest = ScriptedStream([])
    let long = HTTPResponse(status: 200, fields: Fields(), body: .stream(prefix: Array("{".utf8), rest: rest))
    #expect(try await Bench().refreshError(nil, response: long)?.code == .malformed)
    #expect(rest.isCancelled)
  }
}
