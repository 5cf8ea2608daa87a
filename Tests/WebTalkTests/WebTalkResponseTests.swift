import AdapterAPI
import AdapterTestKit
import Foundation
import Testing
import WebTalk

@Suite("WebTalk: responses")
struct WebTalkResponseTests {
  @Test(arguments: [
    #"{"code":301,"error":"token expired"}"#, #"{"code":302}"#, #"{"code":"301"}"#,
    " \n{\"msg\":\"x\",\"code\" : 302 }",
    #"{"error":{"code":200},"code":301}"#, "\u{feff}{\"code\":301}",
  ])
  func `a response with code 301 or 302 is a rejected token`(_ body: String) async throws {
    let error = try await Bench().error(.set, response: .whole(body))
    #expect(error?.code == .tokenRejected)
    #expect(error?.mayHaveActed == false)
  }

  @Test func `HTTP 401 is a rejected token, whatever the body`() async throws {
    for response in [
      HTTPResponse.whole("", status: 401), .whole("<html>", status: 401), .whole("x", status: 401, isEncoded: true),
    ] {
      #expect(try await Bench().error(response: response)?.code == .tokenRejected)
    }
  }

  @Test(arguments: [
    (#"{"code":200}"#, AdapterResponse.Verdict.ok), (#"{"code":"200"}"#, .ok), ("{}", .ok),
    (#"{"data":{"code":301},"ResultPointObjArr":[{"code":302}]}"#, .ok), (#"{"msg":"\"code\":301"}"#, .ok),
    (#"{"code":500,"error":"no"}"#, .businessError(code: 500)), (#"{"code":"404"}"#, .businessError(code: 404)),
    (#"{"code":305}"#, .businessError(code: 305)), (#"{"code":0}"#, .businessError(code: 0)),
    (#"{"code":-1}"#, .businessError(code: -1)),
  ])
  func `every other response passes with its verdict`(_ body: String, _ verdict: AdapterResponse.Verdict)
    async throws
  {
    let response = try await Bench().perform(response: .whole(body))
    #expect(response.status == 200)
    #expect(response.verdict == verdict)
    #expect(response.body.prefix == Array(body.utf8))
  }

  @Test(arguments: ["\u{feff}{\"code\":200}", "\u{feff} \r\n{\"code\":\"200\"}", "\u{feff}{}"])
  func `a response with a byte order mark passes byte for byte`(_ body: String) async throws {
    let response = try await Bench().perform(response: .whole(body))
    #expect(response.verdict == .ok)
    #expect(response.body.prefix == Array(body.utf8))
    let failed = try await Bench().perform(response: .whole("\u{feff}{\"code\":500}", status: 500))
    #expect(failed.verdict == .businessError(code: 500))
    #expect(failed.body.prefix.prefix(3) == [0xEF, 0xBB, 0xBF])
  }

  @Test(
    arguments: [
      (String.Encoding.utf16LittleEndian, [0xFF, 0xFE], "UTF-16"), (.utf16BigEndian, [0xFE, 0xFF], "UTF-16"),
      (.utf16LittleEndian, [], "UTF-16"), (.utf16BigEndian, [], "UTF-16"),
      (.utf32LittleEndian, [0xFF, 0xFE, 0, 0], "UTF-32"), (.utf32BigEndian, [0, 0, 0xFE, 0xFF], "UTF-32"),
    ] as [(String.Encoding, [UInt8], String)])
  func `a response in UTF-16 or UTF-32 is malformed, and the log says so`(
    _ encoding: String.Encoding, _ mark: [UInt8], _ name: String
  ) async throws {
    let body = mark + Array(try #require(#"{"code":200,"access_token":"x"}"#.data(using: encoding)))
    let response = HTTPResponse(status: 200, fields: Fields(), body: .bytes(body))
    let data = try await Bench().error(response: response)
    #expect(data?.code == .malformed)
    #expect(data?.detail.contains("in \(name) instead of UTF-8") == true)
    let token = try await Bench().refreshError(nil, response: response)
    #expect(token?.code == .malformed)
    #expect(token?.detail.contains("in \(name) instead of UTF-8") == true)
  }

  @Test(arguments: [
    "<html>502</html>", "\u{feff}", "\u{feff}\u{feff}{}", " \u{feff}{}", "\u{feff}<html>", "", "  ", "[1]", "\"ok\"",
    "null", "PHP Warning: x {}", "200",
  ])
  func `a 200 without a JSON object is malformed`(_ body: String) async throws {
    for type in ["text/html", "application/json"] {
      let read = try await Bench().error(.values, response: .whole(body, type: type))
      #expect(read?.code == .malformed)
      let write = try await Bench().error(.set, response: .whole(body, type: type))
      #expect(write?.code == .malformed)
      #expect(write?.mayHaveActed == true)
    }
  }

  @Test(arguments: [400, 403, 404, 429, 500, 502, 503])
  func `an HTTP error passes unchanged as a business error`(_ status: Int) async throws {
    let response = try await Bench().perform(response: .whole("upstream sick", status: status, type: "text/plain"))
    #expect(response.status == status)
    #expect(response.verdict == .businessError(code: status))
    #expect(response.body.prefix == Array("upstream sick".utf8))
    let success = try await Bench().perform(response: .whole(#"{"code":200}"#, status: status))
    #expect(success.verdict == .businessError(code: status))
  }

  @Test(arguments: [300, 301, 302, 304, 307, 308])
  func `a redirect is malformed and not followed`(_ status: Int) async throws {
    let bench = try Bench()
    #expect(try await bench.error(response: .whole(#"{"code":200}"#, status: status))?.code == .malformed)
    #expect(bench.client.requests.count == 1)
  }

  @Test func `an encoded response passes without being read`() async throws {
    let response = try await Bench().perform(response: .whole(#"{"code":301}"#, isEncoded: true))
    #expect(response.verdict == .ok)
    let failed = try await Bench().perform(response: .whole("\u{1f}", status: 500, isEncoded: true))
    #expect(failed.verdict == .businessError(code: 500))
  }

  @Test func `a rejected token at the start of a stream cancels the rest`() async throws {
    let rest = ScriptedStream([[UInt8](repeating: 32, count: 10)])
    let upstream = HTTPResponse(
      status: 200, fields: Fields(), body: .stream(prefix: Array(#"{"code":301,"data":""#.utf8), rest: rest))
    #expect(try await Bench().error(response: upstream)?.code == .tokenRejected)
    #expect(rest.isCancelled)
  }

  @Test func `a stream without a code in its prefix is ok`() async throws {
    let rest = ScriptedStream([Array(#"],"code":301}"#.utf8)])
    let upstream = HTTPResponse(
      status: 200, fields: Fields(), body: .stream(prefix: Array(#"{"data":[1,2"#.utf8), rest: rest))
    let response = try await Bench().perform(response: upstream)
    #expect(response.verdict == .ok)
    #expect(!response.body.isWhole)
    #expect(!rest.isCancelled)
  }

  @Test func `a code behind the first 64 KiB is ignored, even in a whole body`() async throws {
    let late = #"{"data":""# + String(repeating: "a", count: 70_000) + #"","code":301}"#
    #expect(try await Bench().perform(response: .whole(late)).verdict == .ok)
    let early = #"{"data":""# + String(repeating: "a", count: 60_000) + #"","code":301}"#
    #expect(try await Bench().error(response: .whole(early))?.code == .tokenRejected)
  }

  @Test func `an error of the client passes unchanged, and nothing is repeated`() async throws {
    let bench = try Bench()
    bench.client.script(failure: AdapterError(.timeout, "The upstream did not answer in time.", mayHaveActed: true))
    let error = try await bench.error(.set)
    #expect(error?.code == .timeout && error?.mayHaveActed == true)
    #expect(bench.client.requests.count == 1)
  }
}
