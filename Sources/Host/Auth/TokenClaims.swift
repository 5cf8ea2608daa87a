/// Reads a verified token's claims (RFC 7519 §4) and checks them against the configuration.
enum TokenClaims {
  /// Returns the principal, whose times are not compared with the clock yet (see `KeyRing.refusal(for:now:)`).
  static func principal(json: UnsafeBufferPointer<UInt8>, keys: KeyRing) throws(Refusal) -> Principal {
    var claims = Claims()
    do throws(ClaimsReader.Failure) { try claims.read(json, keys) } catch { throw .claims }
    guard let expiresAt = claims.expiresAt else { throw .noExpiry }
    guard claims.issuerFits else { throw .issuer }
    guard claims.audienceFits else { throw .audience }
    return Principal(
      subject: claims.subject, roles: claims.roles, expiresAt: expiresAt, notBefore: claims.notBefore)
  }

  private struct Claims {
    var subject: String?
    var roles: [String] = []
    var expiresAt: Int64?
    var notBefore: Int64?
    var issuerFits = false
    var audienceFits = false

    mutating func read(_ json: UnsafeBufferPointer<UInt8>, _ keys: KeyRing) throws(ClaimsReader.Failure) {
      issuerFits = keys.issuer == nil
      audienceFits = keys.audience == nil
      var reader = try ClaimsReader(objectIn: json)
      while let name = try reader.nextName() {
        if name == keys.rolesClaim {
          // The claim may be a registered one too (`sub` as a role): a copy of the reader reads the roles.
          var ahead = reader
          roles = try Self.roles(&ahead)
        }
        if name == "exp" {
          // RFC 7519 §4.1.4. Rounded down, so that a fraction never extends the lifetime.
          expiresAt = try Self.seconds(&reader, .down)
        } else if name == "nbf" {
          notBefore = try Self.seconds(&reader, .up)
        } else if name == "iat" {
          _ = try reader.number()
        } else if name == "sub" {
          subject = try reader.string().string
        } else if name == "iss", let issuer = keys.issuer {
          issuerFits = try reader.string() == issuer
        } else if name == "aud", let audience = keys.audience {
          audienceFits = try Self.audience(&reader, has: audience)
        } else {
          try reader.skip()
        }
      }
    }

    private static func seconds(
      _ reader: inout ClaimsReader, _ rule: FloatingPointRoundingRule
    ) throws(ClaimsReader.Failure) -> Int64 {
      guard let seconds = try reader.number().seconds(rule) else { throw .malformed }
      return seconds
    }

    /// Reads a string or an array of strings. Other values and empty strings are not roles.
    private static func roles(_ reader: inout ClaimsReader) throws(ClaimsReader.Failure) -> [String] {
      switch try reader.kind() {
      case .string:
        let role = try reader.string()
        return role.isEmpty ? [] : [role.string]
      case .array: return (try reader.strings() ?? []).filter { !$0.isEmpty }
      case .object, .number, .bool, .null: return []
      }
    }

    /// Reads a string or an array of strings (RFC 7519 §4.1.3).
    private static func audience(
      _ reader: inout ClaimsReader, has wanted: [UInt8]
    ) throws(ClaimsReader.Failure) -> Bool {
      if try reader.kind() == .string { return try reader.string() == wanted }
      var isThere = false
      var first = true
      try reader.beginArray()
      while try reader.nextElement(first: &first) {
        if try reader.string() == wanted { isThere = true }
      }
      return isThere
    }
  }
}

extension KeyRing {
  /// Returns the refusal of a token that is expired or not valid yet; nil when it is valid. To be called for each request, also
  /// for a cached token.
  func refusal(for principal: Principal, now: Int64) -> Refusal? {
    let (end, endless) = principal.expiresAt.addingReportingOverflow(leeway)
    if now >= end, !endless { return .expired }
    if let notBefore = principal.notBefore {
      let (start, always) = notBefore.subtractingReportingOverflow(leeway)
      if now < start, !always { return .notYetValid }
    }
    return nil
  }
}
