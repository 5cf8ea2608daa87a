import Foundation
import TestSupport
import Testing

@Suite("Secrets", .blocking)
struct SecretTests {
  @Test func `after successes and failures of every kind, no secret appears in any output`() throws {
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
    for step in [UpstreamStep.raw("garbage"), .close, .response(#"{"code":305,"error":"no"}"#)] {
      lab.upstream.revokeAccess()
      lab.upstream.scriptTokens(step)
      seen.append(try lab.call(Request.make(token: callers[0]), within: 15).text)
    }
    try eventually("a 200", within: 10) { try lab.call(within: 15).status == 200 }
    for path in ["/livez", "/readyz", "/metrics"] { seen.append(try lab.ask(path).text) }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)

    let text = seen.joined(separator: "\n") + lab.gateway.log + lab.gateway.standardOutput
    let secrets = [Secrets.jwt, Secrets.appID] + callers + lab.upstream.secrets
    for secret in secrets {
      // The signature alone is a secret too, so each long part of a token is searched for separately.
      for part in [secret] + secret.split(separator: ".").map(String.init).filter({ $0.count >= 40 }) {
        guard part != "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" else { continue }
        #expect(!text.contains(part), "a secret is visible")
      }
    }
    #expect(lab.gateway.log.contains("\"msg\":\"request\""), "the access log must not be empty")
  }

  @Test func `process arguments and error responses do not contain the upstream's address`() throws {
    let lab = try Lab(.upstream(["first_byte_timeout": "400ms", "read_retries": "0"])).withToken()
    for step in [UpstreamStep.close, .reset, .raw("garbage"), .hang] {
      lab.upstream.script(step)
      let response = try lab.call(Request.make("POST", Request.set, body: Request.setBody))
      #expect(response.status >= 500)
      #expect(!response.text.contains("127.0.0.1") && !response.text.contains(String(lab.upstream.port)))
      #expect(!response.text.contains("_webtalk"))
    }
    let arguments = try String(contentsOfFile: "/proc/\(lab.gateway.pid)/cmdline", encoding: .utf8)
    #expect(!arguments.contains(Secrets.jwt) && !arguments.contains(Secrets.appID))
  }
}
