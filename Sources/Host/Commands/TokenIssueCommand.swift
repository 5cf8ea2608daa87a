import AdapterAPI

/// `pointgate token issue`
enum TokenIssueCommand {
  private static let subject = Verb.Option(
    name: "--sub", value: "NAME", use: .required, help: "the subject of the token")
  private static let role = Verb.Option(name: "--role", value: "ROLE", use: .repeatable, help: "a role of the subject")
  private static let lifetime = Verb.Option(name: "--ttl", value: "1h", help: "the token's lifetime; 1h by default")

  static let verb = Verb(
    name: "token issue", summary: "prints a client token, signed with the configuration's first HS256 key",
    argument: "[FILE]", options: [subject, role, lifetime, .config],
    details: "Prints a client token (JWT), signed with the first HS256 key of the configuration, alone on stdout.",
    example: "curl -H \"Authorization: Bearer $(pointgate token issue --sub me --role admin)\" …", run: run)

  private static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    guard let subject = try arguments.one(subject), !subject.isEmpty else {
      throw .init("'token issue' needs --sub NAME, the subject of the token")
    }
    let text = try arguments.one(lifetime) ?? "1h"
    guard let lifetime = ScalarText.duration(text), lifetime > .zero else {
      throw .init("'--ttl' must be a duration above zero, like 30m, 1h or 24h, not '\(Spelling.printable(text))'")
    }
    guard let auth = try arguments.configuration()?.configuration.auth else { return 1 }
    if let secret = auth.firstSharedSecret {
      let token = TokenIssuer.issueHS256(
        secret: secret, subject: subject, roles: arguments.all(role), rolesClaim: auth.rolesClaim, issuer: auth.issuer,
        audience: auth.audience, lifetime: lifetime, now: System.wall() / 1000)
      Terminal.out(token + "\n")
      return 0
    }
    Terminal.error(
      "pointgate: the configuration has no HS256 key to sign with; request a token from the issuer that has the private key\n"
    )
    return 1
  }
}
