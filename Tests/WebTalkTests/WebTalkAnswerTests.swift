import AdapterAPI
import AdapterTestKit
import Testing
import WebTalk

@Suite("WebTalk: what an answer means")
struct WebTalkAnswerTests {
  @Test(arguments: [
    #"{"code":301,"error":"token expired"}"#, #"{"code":302}"#, #"{"code":"301"}"#,
    " \n{\"msg\":\"x\",\"code\" : 302 }",
    #"{"error":{"code":200},"code":301}"#, "\u{feff}{\"code\":301}",
  ])
  func `code 301 and 302 say that the token was refused`(_ body: String) async throws {
    let error = try await Bench().error(.set, answer: .whole(body))
    #expect(error?.code == .tokenRejected)
    #expect(error?.mayHaveActed == false)
  }

  @Test func `HTTP 401 says that the token was refused, whatever the body is`() async throws {
    for answer in [
      HTTPResponse.whole("", status: 401), .whole("<html>", status: 401), .whole("x", status: 401, isEncoded: true),
    ] {
      #expect(try await Bench().error(answer: answer)?.code == .tokenRejected)
    }
  }

  @Test(arguments: [
    (#"{"code":200}"#, AdapterResponse.Verdict.ok), (#"{"code":"200"}"#, .ok), ("{}", .ok),
    (#"{"data":{"code":301},"ResultPointObjArr":[{"code":302}]}"#, .ok), (#"{"msg":"\"code\":301"}"#, .ok),
    (#"{"code":500,"error":"no"}"#, .businessError(code: 500)), (#"{"code":"404"}"#, .businessError(code: 404)),
    (#"{"code":305}"#, .businessError(code: 305)), (#"{"code":0}"#, .businessError(code: 0)),
    (#"{"code":-1}"#, .businessError(code: -1)),
  ])
  func `every other answer passes through with its verdict`(_ body: String, _ verdict: AdapterResponse.Verdict)
    async throws
  {
    let answer = try await Bench().perform(answer: .whole(body))
    #expect(answer.status == 200)
    #expect(answer.verdict == verdict)
    #expect(answer.body.prefix == Array(body.utf8))
  }

  @Test(arguments: ["<html>502</html>", "", "  ", "[1]", "\"ok\"", "null", "PHP Warning: x {}", "200"])
  func `a success that is no JSON object is no success`(_ body: String) async throws {
    for type in ["text/html", "application/json"] {
      let read = try await Bench().error(.values, answer: .whole(body, type: type))
      #expect(read?.code == .malformed)
      let write = try await Bench().error(.set, answer: .whole(body, type: type))
      #expect(write?.code == .malformed)
      #expect(write?.mayHaveActed == true)
    }
  }

  @Test(arguments: [400, 403, 404, 429, 500, 502, 503])
  func `an HTTP error passes through as it is, and counts as a failure`(_ status: Int) async throws {
    let answer = try await Bench().perform(answer: .whole("upstream sick", status: status, type: "text/plain"))
    #expect(answer.status == status)
    #expect(answer.verdict == .businessError(code: status))
    #expect(answer.body.prefix == Array("upstream sick".utf8))
    let success = try await Bench().perform(answer: .whole(#"{"code":200}"#, status: status))
    #expect(success.verdict == .businessError(code: status))
  }

  @Test(arguments: [300, 301, 302, 304, 307, 308])
  func `a redirect is no answer and is not followed`(_ status: Int) async throws {
    let bench = try Bench()
    #expect(try await bench.error(answer: .whole(#"{"code":200}"#, status: status))?.code == .malformed)
    #expect(bench.client.requests.count == 1)
  }

  @Test func `an encoded answer is passed on and not looked into`() async throws {
    let answer = try await Bench().perform(answer: .whole(#"{"code":301}"#, isEncoded: true))
    #expect(answer.verdict == .ok)
    let failed = try await Bench().perform(answer: .whole("\u{1f}", status: 500, isEncoded: true))
    #expect(failed.verdict == .businessError(code: 500))
  }

  @Test func `a refused token at the start of a long answer gives the rest up`() async throws {
    let rest = ScriptedStream([[UInt8](repeating: 32, count: 10)])
    let answer = HTTPResponse(
      status: 200, fields: Fields(), body: .stream(prefix: Array(#"{"code":301,"data":""#.utf8), rest: rest))
    #expect(try await Bench().error(answer: answer)?.code == .tokenRejected)
    #expect(rest.isCancelled)
  }

  @Test func `a long answer without a code in its first part counts as good`() async throws {
    let rest = ScriptedStream([Array(#"],"code":301}"#.utf8)])
    let answer = HTTPResponse(
      status: 200, fields: Fields(), body: .stream(prefix: Array(#"{"data":[1,2"#.utf8), rest: rest))
    let response = try await Bench().perform(answer: answer)
    #expect(response.verdict == .ok)
    #expect(!response.body.isWhole)
    #expect(!rest.isCancelled)
  }

  @Test func `a code behind the first 64 KiB is not looked for, however much of the answer is here`() async throws {
    let late = #"{"data":""# + String(repeating: "a", count: 70_000) + #"","code":301}"#
    #expect(try await Bench().perform(answer: .whole(late)).verdict == .ok)
    let early = #"{"data":""# + String(repeating: "a", count: 60_000) + #"","code":301}"#
    #expect(try await Bench().error(answer: .whole(early))?.code == .tokenRejected)
  }

  @Test func `what the client throws comes through unchanged, and nothing is repeated`() async throws {
    let bench = try Bench()
    bench.client.script(failure: AdapterError(.timeout, "The upstream did not answer in time.", mayHaveActed: true))
    let call = try bench.call()
    await #expect {
      _ = try await bench.adapter.perform(AdapterRequest(operation: .set, body: Array("{}".utf8)), call)
    } throws: { ($0 as? AdapterError)?.code == .timeout && ($0 as? AdapterError)?.mayHaveActed == true }
    #expect(bench.client.requests.count == 1)
  }
}
