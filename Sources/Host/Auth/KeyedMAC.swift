import COpenSSL

/// HMAC (RFC 2104) with a fixed key, so that no copy of the secret is stored beside it.
///
/// `@unchecked Sendable`: after `init` the context is only copied (`EVP_MAC_CTX_dup`, which takes it as const). Each event loop
/// computes with its own copy.
final class KeyedMAC: @unchecked Sendable {
  private let context: OpaquePointer

  /// Nil when OpenSSL has no memory, or was built without the digest.
  init?(digest: StaticString, key: [UInt8]) {
    let made = key.withUnsafeBufferPointer { key in
      digest.withUTF8Buffer { name in
        // A StaticString ends with a zero byte.
        name.withMemoryRebound(to: CChar.self) { pg_hmac_new($0.baseAddress, key.baseAddress, key.count) }
      }
    }
    guard let context = made else {
      ERR_clear_error()
      return nil
    }
    self.context = context
  }

  deinit { EVP_MAC_CTX_free(context) }

  /// Returns a copy of the context, which the caller has to free; nil when OpenSSL has no memory.
  func makeContext() -> OpaquePointer? { EVP_MAC_CTX_dup(context) }

  /// Returns the code over `bytes`, for issuing; nil when OpenSSL has no memory.
  func code(over bytes: [UInt8]) -> [UInt8]? {
    guard let own = makeContext() else { return nil }
    defer { EVP_MAC_CTX_free(own) }
    var length = 0
    var output = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    guard EVP_MAC_update(own, bytes, bytes.count) == 1, EVP_MAC_final(own, &output, &length, output.count) == 1 else {
      return nil
    }
    return Array(output.prefix(length))
  }
}
