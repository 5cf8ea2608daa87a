/// The caller, as described by a verified token.
struct Principal: Sendable {
  /// The claim `sub`; nil when the token has none.
  let subject: String?
  /// The roles claim, without empty strings.
  let roles: [String]
  /// The claim `exp` in seconds since the epoch, before leeway, rounded down.
  let expiresAt: Int64
  /// The claim `nbf` in seconds since the epoch, before leeway, rounded up.
  let notBefore: Int64?

  /// Returns whether one of the principal's roles is in the list; false for an empty list. Compares byte for byte, without case
  /// folding or Unicode equivalence, which could make two different roles of an issuer equal.
  func hasAny(of roles: [String]) -> Bool {
    for wanted in roles {
      for role in self.roles where role.utf8.count == wanted.utf8.count && role.utf8.elementsEqual(wanted.utf8) {
        return true
      }
    }
    return false
  }
}

/// The result of verifying an `Authorization` header.
enum Authentication: Sendable {
  case principal(Principal)
  case refused(Refusal)
}

/// The reason for which a token was refused, for the debug log. The response is 401 for all of them.
enum Refusal: Error, Sendable, CaseIterable {
  /// The request has no `Authorization` header.
  case missing
  case scheme, size, shape, header, critical, algorithm, noKey, signature
  case claims, noExpiry, expired, notYetValid, issuer, audience, purpose

  /// A constant text, so that no part of a token gets into a log.
  var reason: StaticString {
    switch self {
    case .missing: "no Authorization header"
    case .scheme: "the Authorization header is not 'Bearer' with a token"
    case .size: "the token is longer than 8 KiB or too short to be one"
    case .shape: "the token is not three parts of unpadded base64url"
    case .header: "the token's header is not a strict JSON object with a string alg"
    case .critical: "the token's header has crit or b64, which are not supported"
    case .algorithm: "the token's alg is not supported"
    case .noKey: "no configured key has the token's alg and kid"
    case .signature: "the token's signature does not verify"
    case .claims: "the token's claims are not a strict JSON object with the registered types"
    case .noExpiry: "the token has no exp"
    case .expired: "the token has expired"
    case .notYetValid: "the token is not valid yet (nbf)"
    case .issuer: "the token's iss is not the configured issuer"
    case .audience: "the token's aud does not contain the configured audience"
    case .purpose: "the token has another purpose"
    }
  }
}
