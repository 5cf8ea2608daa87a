import AdapterAPI

/// Issues tokens that are signed with HMAC-SHA-256: the client tokens of `pointgate token issue`, and those of a front.
enum TokenIssuer {
  /// Returns a token signed with HMAC-SHA-256. One role becomes a string, several become an array; without roles there is no
  /// roles claim.
  ///
  /// - Parameter now: seconds since the epoch.
  static func issueHS256(
    secret: Secret, subject: String, roles: [String], rolesClaim: String, issuer: String?, audience: String?,
    lifetime: Duration, now: Int64
  ) -> String {
    let (end, overflow) = now.addingReportingOverflow(lifetime.components.seconds)
    let claims = JSONWriter.object { claims in
      claims.member("sub", subject)
      if roles.count == 1 {
        claims.member(rolesClaim, roles[0])
      } else if !roles.isEmpty {
        claims.member(rolesClaim, roles)
      }
      if let issuer { claims.member("iss", issuer) }
      if let audience { claims.member("aud", audience) }
      claims.member("iat", Int(now))
      claims.member("exp", Int(overflow ? .max : end))
      claims.member("jti", randomHex(16))
    }
    // Fails only without memory, or when the library was built without SHA-256.
    guard let mac = KeyedMAC(digest: "SHA256", key: Array(secret.exposed.utf8)) else {
      preconditionFailure("OpenSSL has no HMAC-SHA-256")
    }
    return token(with: claims, signedBy: mac)
  }

  /// Returns a token with these claims, a JSON object, signed with HMAC-SHA-256.
  static func token(with claims: [UInt8], signedBy mac: KeyedMAC) -> String {
    let input = Base64URL.encode(#"{"alg":"HS256","typ":"JWT"}"#.utf8) + "." + Base64URL.encode(claims)
    guard let code = mac.code(over: Array(input.utf8)) else { preconditionFailure("OpenSSL has no HMAC-SHA-256") }
    return input + "." + Base64URL.encode(code)
  }
}
