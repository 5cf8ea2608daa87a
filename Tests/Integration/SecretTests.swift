import Foundation
import TestSupport
import Testing

@Suite("Secrets stay inside", .blocking)
struct SecretTests {
  @Test("after good calls and every kind of failure, no secret stands in the log, the metrics, the health or an error")
  func nothingLeaks() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "400ms", "read_retries": "0"]))
    let callers = [
      JWT.caller(), JWT.caller(key: "wrong"), JWT.caller(expiresIn: -3600), "half.a.token-" + Secrets.random(8),
    ]
    var seen: [String] = []
    for token in callers {
      seen.append(try lab.call(Request.make(token: token)).text)
      seen.append(
        try lab.call(Request.make("GET", "/api/iot/nothing?ticket=\(token)", body: nil, token: token), to: "GET").text)
    }
    lab.upstream.script(.envelope(301), .envelope(302), .raw("garbage"), .close, .reset, .hang)
    for _ in 0..<6 { seen.append(try lab.call(Request.make(token: callers[0])).text) }
    for step in [UpstreamStep.raw("garbage"), .close, .answer(#"{"code":305,"error":"no"}"#)] {
      lab.upstream.revokeAccess()
      lab.upstream.scriptTokens(step)
      seen.append(try lab.call(Request.make(token: callers[0]), within: 15).text)
    }
    try eventually("a good answer", within: 10) { try lab.call(within: 15).status == 200 }
    for path in ["/livez", "/readyz", "/metrics"] { seen.append(try lab.ask(path).text) }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)

    let text = seen.joined(separator: "\n") + lab.gateway.log + lab.gateway.standardOutput
    let secrets = [Secrets.jwt, Secrets.appID] + callers + lab.upstream.secrets
    for secret in secrets {
      // The signature alone would do harm too, so the longest part of a token is looked for by itself.
      for part in [secret] + secret.split(separator: ".").map(String.init).filter({ $0.count >= 40 }) {
        guard part != "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" else { continue }
        #expect(!text.contains(part), "a secret is visible")
      }
    }
    #expect(lab.gateway.log.contains("\"msg\":\"request\""), "there is an access log to look through")
  }

  @Test("the process' arguments and the answers of the upstream's faults name no upstream address")
  func noAddresses() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "400ms", "read_retries": "0"]))
    try lab.upstream.withNormalToken(lab)
    for step in [UpstreamStep.close, .reset, .raw("garbage"), .hang] {
      lab.upstream.script(step)
      let answer = try lab.call(Request.make("POST", Request.set, body: Request.setBody))
      #expect(answer.status >= 500)
      #expect(!answer.text.contains("127.0.0.1") && !answer.text.contains(String(lab.upstream.port)))
      #expect(!answer.text.contains("_webtalk"))
    }
    let arguments = try String(contentsOfFile: "/proc/\(lab.gateway.pid)/cmdline", encoding: .utf8)
    #expect(!arguments.contains(Secrets.jwt) && !arguments.contains(Secrets.appID))
  }
}
