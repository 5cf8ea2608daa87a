import COpenSSL

/// Keys made from the numbers of a JWK (RFC 7518 §6, RFC 8037 §2). Nil when the numbers are not a key.
extension PublicKey {
  static func rsa(modulus: [UInt8], exponent: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    // OpenSSL verifies with at most 16384 bits.
    guard 1...2048 ~= modulus.count, 1...64 ~= exponent.count else { return nil }
    let key = pg_rsa_public_key(modulus, Int32(modulus.count), exponent, Int32(exponent.count))
    return key.map(PublicKey.init(owning:))
  }

  static func p256(x: [UInt8], y: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    // RFC 7518 §6.2.1.2: the length is that of the field, with leading zeros.
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
