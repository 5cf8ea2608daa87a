import COpenSSL

/// Keys from the numbers of a JWK (RFC 7518 §6, RFC 8037 §2).
extension PublicKey {
  static func rsa(modulus: [UInt8], exponent: [UInt8]) -> PublicKey? {
    // 16384 bits is what OpenSSL verifies with at most; a longer one need not be built to be refused.
    guard 1...2048 ~= modulus.count, 1...64 ~= exponent.count,
      let n = BN_bin2bn(modulus, Int32(modulus.count), nil)
    else { return nil }
    defer { BN_free(n) }
    guard let e = BN_bin2bn(exponent, Int32(exponent.count), nil) else { return nil }
    defer { BN_free(e) }
    return make("RSA") { builder in
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1
    }
  }

  /// A point on P-256; nil when it is none.
  static func p256(x: [UInt8], y: [UInt8]) -> PublicKey? {
    // RFC 7518 §6.2.1.2: the octets' length is that of the field, leading zeros included.
    guard x.count == 32, y.count == 32 else { return nil }
    let point = [0x04] + x + y
    return make("EC") { builder in
      OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, point.count) == 1
    }
  }

  static func ed25519(x: [UInt8]) -> PublicKey? {
    defer { ERR_clear_error() }
    guard x.count == 32 else { return nil }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, x, x.count).map(PublicKey.init(owning:))
  }

  private static func make(_ kind: String, _ fill: (OpaquePointer) -> Bool) -> PublicKey? {
    defer { ERR_clear_error() }
    guard let builder = OSSL_PARAM_BLD_new() else { return nil }
    defer { OSSL_PARAM_BLD_free(builder) }
    guard fill(builder), let parameters = OSSL_PARAM_BLD_to_param(builder) else { return nil }
    defer { OSSL_PARAM_free(parameters) }
    guard let context = EVP_PKEY_CTX_new_from_name(nil, kind, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_fromdata_init(context) == 1,
      EVP_PKEY_fromdata(context, &key, pg_evp_pkey_public_key, parameters) == 1
    else { return nil }
    return key.map(PublicKey.init(owning:))
  }
}
