import COpenSSL

/// HMAC (RFC 2104) with its key already in place, so that no copy of the secret is kept beside it.
///
/// `@unchecked Sendable`: after `init` the context is only ever copied (`EVP_MAC_CTX_dup`, which takes it as const), by
/// each event loop for itself; nobody computes with the original.
final class KeyedMAC: @unchecked Sendable {
  private let context: OpaquePointer

  /// Nil when OpenSSL refuses: no memory, or a build without the digest.
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

  /// A context of the caller's own, who frees it.
  func makeContext() -> OpaquePointer? { EVP_MAC_CTX_dup(context) }

  /// The code over `bytes`, for issuing; nil only when OpenSSL has no memory.
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
