import AdapterAPI

/// Verifies `Authorization` headers (RFC 6750, RFC 7515, RFC 7519, RFC 8725).
///
/// Each event loop has its own, with OpenSSL contexts, a scratch buffer and a cache of verified tokens. A reload makes new
/// verifiers, so that no cached token outlives the ring that verified it.
final class TokenVerifier {
  /// The longest token, in characters.
  static let maxTokenSize = 8 << 10
  /// Shorter than any valid token; long enough for the cache's hash.
  private static let minTokenSize = 32

  private let keys: KeyRing
  private let signatures: SignatureVerifier
  private var cache: TokenCache
  /// Memory for decoded parts, allocated with the first token.
  private var scratch: UnsafeMutablePointer<UInt8>?

  init(keys: KeyRing, cacheCapacity: Int) {
    self.keys = keys
    signatures = SignatureVerifier(keys: keys)
    cache = TokenCache(capacity: cacheCapacity)
  }

  deinit { scratch?.deallocate() }

  /// The number of cached tokens.
  var cachedCount: Int { cache.count }

  /// Returns the principal of a valid token, or why it is refused.
  ///
  /// - Parameters:
  ///   - authorization: the header's value, without white space around it.
  ///   - now: seconds since the epoch.
  func authenticate(_ authorization: UnsafeBufferPointer<UInt8>, now: Int64) -> Authentication {
    do throws(Refusal) {
      return .principal(try principal(Self.token(in: authorization), now))
    } catch {
      return .refused(error)
    }
  }

  /// Returns the principal of a token with a valid signature, issuer and audience. Does not compare times with the clock.
  func principal(of token: UnsafeBufferPointer<UInt8>) throws(Refusal) -> Principal {
    guard Self.minTokenSize...Self.maxTokenSize ~= token.count else { throw .size }
    if let slot = cache.find(token), let principal = cache.principal(at: slot) { return principal }
    let principal = try verify(token)
    cache.insert(token, principal)
    return principal
  }

  /// Returns the token after `Bearer`, in any case (RFC 9110 §11.1), and one or more spaces (RFC 6750 §2.1).
  private static func token(in value: UnsafeBufferPointer<UInt8>) throws(Refusal) -> UnsafeBufferPointer<UInt8> {
    let scheme: StaticString = "bearer"
    let length = scheme.utf8CodeUnitCount
    guard value.count > length, value[length] == UInt8(ascii: " ") else { throw .scheme }
    for index in 0..<length where value[index] | 0x20 != scheme.utf8Start[index] { throw .scheme }
    var start = length
    while start < value.count, value[start] == UInt8(ascii: " ") { start += 1 }
    guard start < value.count else { throw .scheme }
    let token = UnsafeBufferPointer(rebasing: value[start...])
    guard minTokenSize...maxTokenSize ~= token.count else { throw .size }
    return token
  }

  private func principal(_ token: UnsafeBufferPointer<UInt8>, _ now: Int64) throws(Refusal) -> Principal {
    if let slot = cache.find(token), let principal = cache.principal(at: slot) {
      if let refusal = keys.refusal(for: principal, now: now) {
        if refusal == .expired { cache.remove(at: slot) }
        throw refusal
      }
      return principal
    }
    let principal = try verify(token)
    if let refusal = keys.refusal(for: principal, now: now) { throw refusal }
    cache.insert(token, principal)
    return principal
  }

  /// Verifies the signature, then reads the claims. Does not compare times with the clock.
  private func verify(_ token: UnsafeBufferPointer<UInt8>) throws(Refusal) -> Principal {
    let parts = try CompactToken(token)
    // Each part decodes to at most three quarters of its length, plus two bytes that the decoder needs.
    let scratch = self.scratch ?? .allocate(capacity: Self.maxTokenSize)
    self.scratch = scratch
    let header = try decode(parts.header, into: scratch)
    let headerFields = try TokenHeader(json: header)
    let signatureStart = scratch + header.count
    let signature = try decode(parts.signature, into: signatureStart)
    // Decoded before the signature is verified, so that no invalid character is hashed as part of the signing input.
    let claims = try decode(parts.claims, into: signatureStart + signature.count)
    try check(signature, of: parts.signingInput, headerFields)
    return try TokenClaims.principal(json: claims, keys: keys)
  }

  private func decode(
    _ part: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
  ) throws(Refusal) -> UnsafeBufferPointer<UInt8> {
    guard let count = Base64URL.decode(part, into: output) else { throw .shape }
    return UnsafeBufferPointer(start: output, count: count)
  }

  /// Tries the keys of the token's algorithm and, where both have one, of its kid.
  private func check(
    _ signature: UnsafeBufferPointer<UInt8>, of input: UnsafeBufferPointer<UInt8>, _ header: TokenHeader
  ) throws(Refusal) {
    var tries = 0
    for index in keys.keys.indices where keys.keys[index].algorithm == header.algorithm {
      if let kid = header.kid, let keyID = keys.keys[index].kidBytes, !(kid == keyID) { continue }
      if signatures.verify(key: index, input: input, signature: signature) { return }
      tries += 1
      if tries == KeyRing.maxTries { break }
    }
    throw tries == 0 ? .noKey : .signature
  }
}

/// The three encoded parts of a token (RFC 7515 §7.1).
struct CompactToken {
  let header: UnsafeBufferPointer<UInt8>
  let claims: UnsafeBufferPointer<UInt8>
  let signature: UnsafeBufferPointer<UInt8>
  /// Header, dot, claims.
  let signingInput: UnsafeBufferPointer<UInt8>

  init(_ token: UnsafeBufferPointer<UInt8>) throws(Refusal) {
    let dot = UInt8(ascii: ".")
    guard let first = token.firstIndex(of: dot), let second = token[(first + 1)...].firstIndex(of: dot),
      first > 0, second > first + 1, second + 1 < token.count, !token[(second + 1)...].contains(dot)
    else { throw .shape }
    header = UnsafeBufferPointer(rebasing: token[..<first])
    claims = UnsafeBufferPointer(rebasing: token[(first + 1)..<second])
    signature = UnsafeBufferPointer(rebasing: token[(second + 1)...])
    signingInput = UnsafeBufferPointer(rebasing: token[..<second])
  }
}
