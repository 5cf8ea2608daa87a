/// The part of a token's JOSE header (RFC 7515 §4) that the gateway reads.
///
/// `jku`, `x5u`, `x5c` and `jwk` are not read: a token must not bring the key that verifies it.
struct TokenHeader {
  let algorithm: Configuration.Auth.Algorithm
  let kid: Text?

  init(json: UnsafeBufferPointer<UInt8>) throws(Refusal) {
    var algorithm: Text?
    var kid: Text?
    var isCritical = false
    do throws(ClaimsReader.Failure) {
      var reader = try ClaimsReader(objectIn: json)
      while let name = try reader.nextName() {
        if name == "alg" {
          algorithm = try reader.string()
        } else if name == "kid" {
          kid = try reader.string()
        } else if name == "typ" {
          _ = try reader.string()
        } else {
          // RFC 7515 §4.1.11 and RFC 7797 §6: extensions that must be understood. None is supported.
          if name == "crit" || name == "b64" { isCritical = true }
          try reader.skip()
        }
      }
    } catch { throw .header }
    guard !isCritical else { throw .critical }
    guard let algorithm else { throw .header }
    guard let known = Self.known(algorithm) else { throw .algorithm }
    self.algorithm = known
    self.kid = kid
  }

  private static func known(_ name: Text) -> Configuration.Auth.Algorithm? {
    if name == "HS256" { return .HS256 }
    if name == "RS256" { return .RS256 }
    if name == "ES256" { return .ES256 }
    if name == "PS256" { return .PS256 }
    if name == "EdDSA" { return .EdDSA }
    if name == "HS384" { return .HS384 }
    if name == "HS512" { return .HS512 }
    return nil
  }
}
