import AdapterAPI
import COpenSSL

/// A public key in OpenSSL's form (EVP_PKEY).
///
/// `@unchecked Sendable`: several threads may use an EVP_PKEY whose parameters do not change, its reference count is atomic, and
/// this class only reads it. Each event loop makes its own EVP_PKEY_CTX from it.
final class PublicKey: @unchecked Sendable {
  let pointer: OpaquePointer

  /// Takes ownership of `pointer`.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }

  deinit { EVP_PKEY_free(pointer) }

  var bits: Int { Int(EVP_PKEY_get_bits(pointer)) }
  /// The length of an RSA signature in bytes, which is that of the modulus (RFC 8017 §8.1.2).
  var signatureSize: Int { max(0, Int(EVP_PKEY_get_size(pointer))) }
}

/// The reason for which a key cannot be used, and the remedy.
struct KeyProblem: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

extension PublicKey {
  typealias Algorithm = Configuration.Auth.Algorithm

  /// Reads the public key of a PEM text: `PUBLIC KEY`, `RSA PUBLIC KEY`, or the first `CERTIFICATE`.
  static func read(pem: String, for algorithm: Algorithm) throws(KeyProblem) -> PublicKey {
    let key = try read(pem: Array(pem.utf8))
    try key.check(for: algorithm)
    return key
  }

  private static func read(pem text: [UInt8]) throws(KeyProblem) -> PublicKey {
    defer { ERR_clear_error() }
    guard text.count <= 1 << 20, let input = BIO_new_mem_buf(text, Int32(text.count)) else {
      throw KeyProblem("the PEM file is larger than 1 MiB; give a file with one public key")
    }
    defer { BIO_free(input) }
    guard let first = nextBlock(input) else {
      throw KeyProblem("no PEM block can be read; the file must contain '-----BEGIN PUBLIC KEY-----' or a certificate")
    }
    let key: PublicKey?
    switch first.name {
    case "PUBLIC KEY", "RSA PUBLIC KEY":
      key = decode(first.data) {
        first.name == "PUBLIC KEY" ? d2i_PUBKEY(nil, $0, $1) : d2i_PublicKey(EVP_PKEY_RSA, nil, $0, $1)
      }
      if key != nil, nextBlock(input) != nil {
        throw KeyProblem("the file contains more than one PEM block; give each key its own file and entry")
      }
    case "CERTIFICATE", "X509 CERTIFICATE":
      key = decode(first.data) { bytes, length in
        guard let certificate = d2i_X509(nil, bytes, length) else { return nil }
        defer { X509_free(certificate) }
        return X509_get_pubkey(certificate)
      }
    case let name where name.contains("PRIVATE KEY"):
      throw KeyProblem(
        "the file contains a private key, which a gateway must not have; give the public key: "
          + "openssl pkey -in FILE -pubout")
    default:
      throw KeyProblem(
        "the PEM block '\(Spelling.printable(first.name))' is not a public key; give 'PUBLIC KEY' or 'CERTIFICATE'")
    }
    guard let key else {
      throw KeyProblem(
        "the PEM block '\(first.name)' is damaged, or of a kind that OpenSSL does not support; export it again")
    }
    return key
  }

  private static func nextBlock(_ input: OpaquePointer) -> (name: String, data: [UInt8])? {
    var name: UnsafeMutablePointer<CChar>?
    var header: UnsafeMutablePointer<CChar>?
    var data: UnsafeMutablePointer<UInt8>?
    var length = 0
    guard PEM_read_bio(input, &name, &header, &data, &length) == 1 else { return nil }
    defer {
      pg_openssl_free(name)
      pg_openssl_free(header)
      pg_openssl_free(data)
    }
    guard let name, let data else { return nil }
    return (String(cString: name), Array(UnsafeBufferPointer(start: data, count: max(0, length))))
  }

  /// Runs a `d2i` function over `der`. Nil also when it leaves bytes over.
  private static func decode(
    _ der: [UInt8], _ read: (UnsafeMutablePointer<UnsafePointer<UInt8>?>, Int) -> OpaquePointer?
  ) -> PublicKey? {
    der.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return nil }
      var next: UnsafePointer<UInt8>? = start
      guard let key = read(&next, bytes.count).map(PublicKey.init(owning:)) else { return nil }
      return next == start + bytes.count ? key : nil
    }
  }

  /// Checks that the key is of the algorithm's kind and strong enough (RFC 7518 §3.3 and §3.4, RFC 8037 §3.1).
  func check(for algorithm: Algorithm) throws(KeyProblem) {
    defer { ERR_clear_error() }
    let kind = EVP_PKEY_get_base_id(pointer)
    switch algorithm {
    case .HS256, .HS384, .HS512:
      throw KeyProblem(
        "\(algorithm.rawValue) needs a secret, not a public key; give 'secret', or alg RS256, PS256, ES256 or EdDSA")
    case .RS256, .PS256:
      guard kind == EVP_PKEY_RSA || (kind == EVP_PKEY_RSA_PSS && algorithm == .PS256) else {
        throw KeyProblem("\(algorithm.rawValue) needs an RSA key, but this key is of another kind\(suggestion(kind))")
      }
      guard bits >= 2048 else {
        throw KeyProblem(
          "the RSA key has \(bits) bits; \(algorithm.rawValue) needs at least 2048 (RFC 7518 section 3.3). Make a longer one"
        )
      }
      guard bits <= 16_384 else { throw KeyProblem("the RSA key has \(bits) bits; at most 16384 are supported") }
    case .ES256:
      guard kind == EVP_PKEY_EC else {
        throw KeyProblem("ES256 needs an elliptic curve key, but this key is of another kind\(suggestion(kind))")
      }
      guard groupName == "prime256v1" else {
        throw KeyProblem("ES256 needs a key on the curve P-256 (RFC 7518 section 3.4); this key is on '\(groupName)'")
      }
    case .EdDSA:
      guard kind == EVP_PKEY_ED25519 else {
        throw KeyProblem("EdDSA needs an Ed25519 key, but this key is of another kind\(suggestion(kind))")
      }
      return
    }
    guard let context = EVP_PKEY_CTX_new_from_pkey(nil, pointer, nil) else { throw KeyProblem("OpenSSL has no memory") }
    defer { EVP_PKEY_CTX_free(context) }
    guard EVP_PKEY_public_check(context) == 1 else {
      throw KeyProblem("the key's numbers are not a valid public key; the key is damaged, export it again")
    }
  }

  private var groupName: String {
    var name = [UInt8](repeating: 0, count: 64)
    var length = 0
    let found = name.withUnsafeMutableBytes { buffer in
      EVP_PKEY_get_group_name(pointer, buffer.bindMemory(to: CChar.self).baseAddress, buffer.count, &length) == 1
    }
    return found ? String(decoding: name.prefix(min(length, name.count)), as: UTF8.self) : "unnamed"
  }

  private func suggestion(_ kind: Int32) -> String {
    switch kind {
    case EVP_PKEY_RSA: " (RSA: alg RS256 or PS256)"
    case EVP_PKEY_RSA_PSS: " (RSA-PSS: alg PS256)"
    case EVP_PKEY_EC: " (elliptic curve: alg ES256)"
    case EVP_PKEY_ED25519: " (Ed25519: alg EdDSA)"
    default: ""
    }
  }
}
