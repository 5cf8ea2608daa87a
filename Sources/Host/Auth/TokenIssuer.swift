import AdapterAPI

/// Makes the client tokens of `pointgate token issue`.
enum TokenIssuer {
  /// A token signed with HMAC-SHA-256. One role is written as a string, several as an array, none not at all.
  ///
  /// - Parameter now: seconds since the epoch.
  static func issueHS256(
    secret: Secret, subject: String, roles: [String], rolesClaim: String, issuer: String?, audience: String?,
    lifetime: Duration, now: Int64
  ) -> String {
    var claims: [(name: String, json: String)] = [("sub", Escaping.quoted(subject))]
    if roles.count == 1 {
      claims.append((rolesClaim, Escaping.quoted(roles[0])))
    } else if !roles.isEmpty {
      claims.append((rolesClaim, "[" + roles.map(Escaping.quoted).joined(separator: ",") + "]"))
    }
    if let issuer { claims.append(("iss", Escaping.quoted(issuer))) }
    if let audience { claims.append(("aud", Escaping.quoted(audience))) }
    let (end, overflow) = now.addingReportingOverflow(lifetime.components.seconds)
    claims.append(("iat", String(now)))
    claims.append(("exp", String(overflow ? .max : end)))
    claims.append(("jti", Escaping.quoted(randomHex(16))))
    let json = "{" + claims.map { Escaping.quoted($0.name) + ":" + $0.json }.joined(separator: ",") + "}"

    let input = Base64URL.encode(#"{"alg":"HS256","typ":"JWT"}"#.utf8) + "." + Base64URL.encode(json.utf8)
    let code = KeyedMAC(digest: "SHA256", key: Array(secret.exposed.utf8))?.code(over: Array(input.utf8))
    // Only for want of memory or of SHA-256 itself: a bug or a broken installation, and nothing that a caller could do.
    guard let code else { preconditionFailure("OpenSSL has no HMAC-SHA-256") }
    return input + "." + Base64URL.encode(code)
  }
}
