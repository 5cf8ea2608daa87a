import COpenSSL

@testable import Host

/// An issuer's private key, generated for a test.
final class SigningKey: @unchecked Sendable {  // Only read after `init`.
  enum Kind: Equatable {
    case rsa(bits: Int32)
    case ec(String)
    case ed25519
  }

  let pointer: OpaquePointer

  init(_ kind: Kind) {
    let name =
      switch kind {
      case .rsa: "RSA"
      case .ec: "EC"
      case .ed25519: "ED25519"
      }
    let context = EVP_PKEY_CTX_new_from_name(nil, name, nil)!
    defer { EVP_PKEY_CTX_free(context) }
    precondition(EVP_PKEY_keygen_init(context) == 1)
    if case .rsa(let bits) = kind { precondition(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) == 1) }
    if case .ec(let curve) = kind { precondition(EVP_PKEY_CTX_set_group_name(context, curve) == 1) }
    var key: OpaquePointer?
    precondition(EVP_PKEY_generate(context, &key) == 1)
    pointer = key!
  }

  deinit { EVP_PKEY_free(pointer) }

  static let rsa = SigningKey(.rsa(bits: 2048))
  static let otherRSA = SigningKey(.rsa(bits: 2048))
  static let p256 = SigningKey(.ec("P-256"))
  static let ed25519 = SigningKey(.ed25519)

  var publicPEM: String { pem { PEM_write_bio_PUBKEY($0, pointer) } }
  var privatePEM: String { pem { PEM_write_bio_PrivateKey($0, pointer, nil, nil, 0, nil, nil) } }

  /// `RSA PUBLIC KEY`, the older form (RFC 8017 A.1.1).
  var pkcs1PEM: String {
    var der: UnsafeMutablePointer<UInt8>?
    let length = i2d_PublicKey(pointer, &der)
    defer { pg_openssl_free(der) }
    return pem { PEM_write_bio($0, "RSA PUBLIC KEY", "", der, Int(length)) }
  }

  /// A self-signed certificate.
  var certificatePEM: String {
    let certificate = X509_new()!
    defer { X509_free(certificate) }
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0)
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600)
    precondition(X509_set_pubkey(certificate, pointer) == 1)
    precondition(X509_sign(certificate, pointer, EVP_sha256()) > 0)
    return pem { PEM_write_bio_X509($0, certificate) }
  }

  /// `PUBLIC KEY` with one byte after the key.
  var overlongPEM: String {
    var der: UnsafeMutablePointer<UInt8>?
    let length = i2d_PUBKEY(pointer, &der)
    defer { pg_openssl_free(der) }
    let bytes = Array(UnsafeBufferPointer(start: der, count: Int(length))) + [0]
    return pem { PEM_write_bio($0, "PUBLIC KEY", "", bytes, bytes.count) }
  }

  private func pem(_ write: (OpaquePointer) -> Int32) -> String {
    let output = BIO_new(BIO_s_mem())!
    defer { BIO_free(output) }
    precondition(write(output) > 0)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let length = BIO_read(output, &bytes, Int32(bytes.count))
    return String(decoding: bytes.prefix(Int(length)), as: UTF8.self)
  }

  /// Returns a number of the key, big-endian: `n`, `e`, `qx`, `qy`.
  func number(_ name: String, width: Int = 0) -> [UInt8] {
    var number: OpaquePointer?
    precondition(EVP_PKEY_get_bn_param(pointer, name, &number) == 1)
    defer { BN_free(number) }
    let size = max(width, (Int(BN_num_bits(number)) + 7) / 8)
    var bytes = [UInt8](repeating: 0, count: size)
    precondition(BN_bn2binpad(number, &bytes, Int32(size)) == Int32(size))
    return bytes
  }

  var ed25519Public: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 32)
    var length = 32
    precondition(EVP_PKEY_get_raw_public_key(pointer, &bytes, &length) == 1)
    return bytes
  }

  /// Returns a signature in the form of JWS.
  func sign(_ input: [UInt8], _ algorithm: Configuration.Auth.Algorithm, saltLength: Int32 = -1) -> [UInt8] {
    let context = EVP_MD_CTX_new()!
    defer { EVP_MD_CTX_free(context) }
    var keyContext: OpaquePointer?
    let digest = algorithm == .EdDSA ? nil : EVP_sha256()
    precondition(EVP_DigestSignInit(context, &keyContext, digest, nil, pointer) == 1)
    if algorithm == .PS256 {
      precondition(EVP_PKEY_CTX_set_rsa_padding(keyContext, RSA_PKCS1_PSS_PADDING) == 1)
      precondition(EVP_PKEY_CTX_set_rsa_pss_saltlen(keyContext, saltLength) == 1)
    }
    var length = 0
    precondition(EVP_DigestSign(context, nil, &length, input, input.count) == 1)
    var signature = [UInt8](repeating: 0, count: length)
    precondition(EVP_DigestSign(context, &signature, &length, input, input.count) == 1)
    signature.removeLast(signature.count - length)
    return algorithm == .ES256 ? Self.rAndS(signature) : signature
  }

  private static func rAndS(_ der: [UInt8]) -> [UInt8] {
    func integer(at start: Int) -> [UInt8] {
      let digits = der[(start + 2)..<(start + 2 + Int(der[start + 1]))].drop { $0 == 0 }
      return [UInt8](repeating: 0, count: 32 - digits.count) + digits
    }
    return integer(at: 2) + integer(at: 4 + Int(der[3]))
  }
}
