import COpenSSL

/// Verifies signatures with the keys of one ring. It belongs to one event loop, and reuses its OpenSSL contexts, which are made
/// with the first token.
final class SignatureVerifier {
  private let keys: [KeyRing.Key]
  private var contexts: [Context?] = []
  private var hash: Hash?

  init(keys: KeyRing) { self.keys = keys.keys }

  /// Returns whether `signature` is that of `input` under the key at `index`; false also when OpenSSL has no memory.
  func verify(key index: Int, input: UnsafeBufferPointer<UInt8>, signature: UnsafeBufferPointer<UInt8>) -> Bool {
    if contexts.isEmpty { contexts = Array(repeating: nil, count: keys.count) }
    if contexts[index] == nil { contexts[index] = Context(keys[index]) }
    guard let context = contexts[index] else { return false }
    switch (keys[index].material, keys[index].algorithm) {
    case (.mac, _): return verifyMAC(context.pointer, input, signature)
    case (.publicKey(let key), .EdDSA): return verifyEd25519(context.pointer, key, input, signature)
    case (.publicKey, .ES256): return verifyECDSA(context.pointer, input, signature)
    case (.publicKey(let key), _): return verifyRSA(context.pointer, key, input, signature)
    }
  }

  private func verifyMAC(
    _ context: OpaquePointer, _ input: UnsafeBufferPointer<UInt8>, _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: Int(EVP_MAX_MD_SIZE), alignment: 8) { code in
      let output = code.baseAddress?.assumingMemoryBound(to: UInt8.self)
      var length = 0
      // A nil key starts a new computation with the context's key.
      guard EVP_MAC_init(context, nil, 0, nil) == 1, EVP_MAC_update(context, input.baseAddress, input.count) == 1,
        EVP_MAC_final(context, output, &length, code.count) == 1, length == signature.count
      else { return false }
      return CRYPTO_memcmp(output, signature.baseAddress, length) == 0
    }
  }

  private func verifyRSA(
    _ context: OpaquePointer, _ key: PublicKey, _ input: UnsafeBufferPointer<UInt8>,
    _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    // RFC 8017 §8.1.2 and §8.2.2, step 1: exactly the length of the modulus.
    guard signature.count == key.signatureSize else { return false }
    return verifyDigest(context, input, signature)
  }

  private func verifyECDSA(
    _ context: OpaquePointer, _ input: UnsafeBufferPointer<UInt8>, _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    // RFC 7518 §3.4: r and s as 32 bytes each. OpenSSL needs them as DER.
    guard signature.count == 64 else { return false }
    return withUnsafeTemporaryAllocation(byteCount: 72, alignment: 8) { der in
      var length = 2
      length = appendInteger(UnsafeBufferPointer(rebasing: signature[..<32]), to: der, at: length)
      length = appendInteger(UnsafeBufferPointer(rebasing: signature[32...]), to: der, at: length)
      der[0] = 0x30
      der[1] = UInt8(length - 2)
      let bytes = UnsafeBufferPointer(start: der.baseAddress?.assumingMemoryBound(to: UInt8.self), count: length)
      return verifyDigest(context, input, bytes)
    }
  }

  /// Appends a DER INTEGER of 32 big-endian bytes. It has at most 35 bytes, so two of them and their SEQUENCE have at most 72.
  ///
  /// - Returns: the length of `der` after it.
  private func appendInteger(
    _ value: UnsafeBufferPointer<UInt8>, to der: UnsafeMutableRawBufferPointer, at start: Int
  ) -> Int {
    // Leading zeros are left out, except for the last byte of a zero. A set top bit needs one.
    let digits = value.dropFirst(value.prefix(31).prefix { $0 == 0 }.count)
    let padding = (digits.first ?? 0) >= 0x80 ? 1 : 0
    der[start] = 0x02
    der[start + 1] = UInt8(digits.count + padding)
    if padding == 1 { der[start + 2] = 0 }
    var end = start + 2 + padding
    for byte in digits {
      der[end] = byte
      end += 1
    }
    return end
  }

  private func verifyDigest(
    _ context: OpaquePointer, _ input: UnsafeBufferPointer<UInt8>, _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    if hash == nil { hash = Hash() }
    guard let hash else { return false }
    return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { digest in
      let output = digest.baseAddress?.assumingMemoryBound(to: UInt8.self)
      guard hash.sha256(input, into: output) else { return false }
      return accepted(EVP_PKEY_verify(context, signature.baseAddress, signature.count, output, 32))
    }
  }

  private func verifyEd25519(
    _ context: OpaquePointer, _ key: PublicKey, _ input: UnsafeBufferPointer<UInt8>,
    _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    // RFC 8032 §5.1.7: 64 bytes.
    guard signature.count == 64 else { return false }
    guard EVP_DigestVerifyInit(context, nil, nil, nil, key.pointer) == 1 else { return accepted(0) }
    return accepted(EVP_DigestVerify(context, signature.baseAddress, signature.count, input.baseAddress, input.count))
  }

  /// Clears the thread's error queue after a refusal: TLS on the same thread would take the entries for its own.
  private func accepted(_ status: Int32) -> Bool {
    if status != 1 { ERR_clear_error() }
    return status == 1
  }
}

/// An OpenSSL context that verifies with one key again and again.
private final class Context {
  let pointer: OpaquePointer
  private let release: (OpaquePointer) -> Void

  init?(_ key: KeyRing.Key) {
    defer { ERR_clear_error() }
    let pointer: OpaquePointer?
    switch key.material {
    case .mac(let mac):
      pointer = mac.makeContext()
      release = { EVP_MAC_CTX_free($0) }
    case .publicKey where key.algorithm == .EdDSA:
      pointer = EVP_MD_CTX_new()
      release = { EVP_MD_CTX_free($0) }
    case .publicKey(let publicKey):
      pointer = EVP_PKEY_CTX_new_from_pkey(nil, publicKey.pointer, nil)
      release = { EVP_PKEY_CTX_free($0) }
    }
    guard let pointer else { return nil }
    self.pointer = pointer
    let isReady: Bool
    switch key.algorithm {
    case .HS256, .HS384, .HS512, .EdDSA: isReady = true
    case .RS256: isReady = setUp(padding: RSA_PKCS1_PADDING)
    // RFC 7518 §3.5: the salt is as long as the digest, and MGF1 uses the same digest.
    case .PS256:
      isReady =
        setUp(padding: RSA_PKCS1_PSS_PADDING) && EVP_PKEY_CTX_set_rsa_pss_saltlen(pointer, RSA_PSS_SALTLEN_DIGEST) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(pointer, EVP_sha256()) == 1
    case .ES256: isReady = setUp(padding: nil)
    }
    guard isReady else { return nil }
  }

  private func setUp(padding: Int32?) -> Bool {
    guard EVP_PKEY_verify_init(pointer) == 1 else { return false }
    if let padding, EVP_PKEY_CTX_set_rsa_padding(pointer, padding) != 1 { return false }
    return EVP_PKEY_CTX_set_signature_md(pointer, EVP_sha256()) == 1
  }

  deinit { release(pointer) }
}

/// SHA-256, fetched from OpenSSL once.
private final class Hash {
  private let algorithm: OpaquePointer
  private let context: OpaquePointer

  init?() {
    guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil) else { return nil }
    guard let context = EVP_MD_CTX_new() else {
      EVP_MD_free(algorithm)
      return nil
    }
    (self.algorithm, self.context) = (algorithm, context)
  }

  deinit {
    EVP_MD_CTX_free(context)
    EVP_MD_free(algorithm)
  }

  /// Writes 32 bytes to `output`.
  func sha256(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>?) -> Bool {
    EVP_DigestInit_ex2(context, algorithm, nil) == 1 && EVP_DigestUpdate(context, input.baseAddress, input.count) == 1
      && EVP_DigestFinal_ex(context, output, nil) == 1
  }
}
