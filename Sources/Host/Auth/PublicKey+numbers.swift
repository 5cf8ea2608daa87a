import COpenSSL

/// Keys from the numbers of a JWK (RFC 7518 §6, RFC 8037 §2).
extension PublicKey {
  static func rsa(modulus: [UInt8], exponent: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    // 16384 bits is what OpenSSL verifies with at most; a longer one need not be built to be refused.
    guard 1...2048 ~= modulus.count, 1...64 ~= exponent.count else { return nil }
    let key = pg_rsa_public_key(modulus, Int32(modulus.count), exponent, Int32(exponent.count))
    return key.map(PublicKey.init(owning:))
  }

  /// A point on P-256; nil when it is none.
  static func p256(x: [UInt8], y: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    // RFC 7518 §6.2.1.2: the octets' length is that of the field, leading zeros included.
    guard x.count == 32, y.count == 32 else { return nil }
    let point = [0x04] + x + y
    return pg_p256_public_key(point, point.count).map(PublicKey.init(owning:))
  }

  static func ed25519(x: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    guard x.count == 32 else { return nil }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, x, x.count).map(PublicKey.init(owning:))
  }
}
