import AdapterAPI

/// `pointgate token issue`
enum TokenCommand {
  static func issue(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    guard let subject = try arguments.one("sub"), !subject.isEmpty else {
      throw Arguments.UsageError(message: "token issue needs --sub NAME, whom the token is for")
    }
    let text = try arguments.one("ttl") ?? "1h"
    guard let lifetime = ScalarText.duration(text), lifetime > .zero else {
      throw Arguments.UsageError(
        message: "--ttl '\(Spelling.printable(text))' is no duration above zero; write it as 30m, 1h or 24h")
    }
    guard let checked = try Command.configuration(arguments) else { return 1 }
    let auth = checked.configuration.auth
    for key in auth.keys {
      if case .secret(.HS256, let secret, _) = key.material {
        Terminal.out(
          TokenIssuer.issueHS256(
            secret: secret, subject: subject, roles: arguments.all("role"), rolesClaim: auth.rolesClaim,
            issuer: auth.issuer,
            audience: auth.audience, lifetime: lifetime, now: System.wall() / 1000) + "\n")
        return 0
      }
    }
    Terminal.error(
      "pointgate: the configuration has no HS256 key to sign with; tokens come from whoever holds the private key\n")
    return 1
  }
}
