import AdapterAPI
import COpenSSL

/// Issues the tokens of a front, and has the keys that verify them.
///
/// They are signed with a key that is derived from the first HS256 secret of the configuration, so they are valid after a restart and
/// in every replica. As it is another key, a front refuses callers' JWTs, and no other route accepts a front's token.
final class FrontTokens: Sendable {
  /// Access tokens authenticate calls; a refresh token is exchanged for a new pair.
  enum Purpose: String, Sendable { case access, refresh }

  /// Verify the signature and the audience of a token. The purpose takes the place of the roles, the application that of the subject.
  let keys: KeyRing
  private let mac: KeyedMAC

  /// Nil when the configuration has no HS256 secret.
  init?(_ auth: Configuration.Auth) {
    guard let secret = auth.firstSharedSecret else { return nil }
    let key = deriveKey(from: Array(secret.exposed.utf8), for: Configuration.Front.operation)
    guard let mac = KeyedMAC(digest: "SHA256", key: key) else { preconditionFailure("OpenSSL has no HMAC-SHA-256") }
    self.mac = mac
    keys = KeyRing(
      keys: [KeyRing.Key(.HS256, kid: nil, .mac(mac))], leeway: .zero, issuer: nil,
      audience: Configuration.Front.operation, rolesClaim: FrontTokens.purposeClaim)
  }

  private static let purposeClaim = "purpose"

  /// Returns the name of an application in its tokens: a keyed hash, from which its id cannot be found.
  func name(ofApp id: Secret) -> String {
    // No signing input of a JWT has a colon.
    guard let code = mac.code(over: Array("app:\(id.exposed)".utf8)) else {
      preconditionFailure("OpenSSL has no HMAC-SHA-256")
    }
    return Base64URL.encode(code.prefix(16))
  }

  /// - Parameters:
  ///   - app: the application's name, as `name(ofApp:)` returns it.
  ///   - now: seconds since the epoch.
  func issue(_ purpose: Purpose, to app: String, lifetime: Duration, now: Int64) -> String {
    let claims = JSONWriter.object { claims in
      claims.member("sub", app)
      claims.member(FrontTokens.purposeClaim, purpose.rawValue)
      claims.member("aud", Configuration.Front.operation)
      claims.member("iat", Int(now))
      claims.member("exp", Int(now + lifetime.components.seconds))
      claims.member("jti", randomHex(16))
    }
    return TokenIssuer.token(with: claims, signedBy: mac)
  }
}

/// Returns 32 bytes that are derived from a secret for one purpose only (HKDF with SHA-256, RFC 5869).
func deriveKey(from secret: [UInt8], for purpose: String) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: 32) { output, count in
    let info = Array(purpose.utf8)
    let done = pg_hkdf_sha256(secret, secret.count, info, info.count, output.baseAddress, 32) == 1
    // Fails only without memory, or when the library was built without HKDF.
    precondition(done, "OpenSSL has no HKDF with SHA-256")
    count = 32
  }
}

/// Returns whether the bytes are equal, in a time that depends on their number only.
func areEqualInConstantTime(_ bytes: UnsafeBufferPointer<UInt8>, _ other: [UInt8]) -> Bool {
  bytes.count == other.count && CRYPTO_memcmp(bytes.baseAddress, other, bytes.count) == 0
}
