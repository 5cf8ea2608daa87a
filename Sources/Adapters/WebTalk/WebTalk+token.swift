import AdapterAPI

/// The token exchange: one GET, with the credentials in the query, so no URL of it is ever shown.
extension WebTalk {
  /// When a token does not say how long it lives.
  static let assumedLifetime: Int64 = 2 * 3600 * 1000
  /// No token is believed to live longer: ten years.
  static let longestLifetime: Int64 = 10 * 366 * 86400 * 1000

  public func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    // A pair that came without a refresh token can only be replaced.
    let refreshToken = current.flatMap { $0.refresh.isEmpty ? nil : $0.refresh }
    let appID = WebTalk.percentEncoded(appID.exposed)
    var target = "/_webtalk/_cur/api/access_token?grant_type="
    if let refreshToken {
      target += "refresh&appId=\(appID)&refreshToken=\(WebTalk.percentEncoded(refreshToken))"
    } else {
      target += "authorization&appId=\(appID)"
    }
    // Refresh tokens rotate: sent twice, the second one would be refused, and the pair of the first answer lost.
    // Whoever waits for a place waits for the token first.
    let answer = try await client.send(
      HTTPRequest(.get, target, isWrite: refreshToken != nil, priority: .writes), deadline: deadline)
    guard case .bytes(let body) = answer.body else {
      if case .stream(_, let rest) = answer.body { rest.cancel() }
      throw refused("with far more bytes than a token has")
    }

    let code = answer.isEncoded ? nil : TopLevel.code(in: body)
    if refreshToken != nil {
      if answer.status == 401 { throw .refreshRejected("the upstream answered the refresh with HTTP 401") }
      if let code, [301, 302, 305, 306].contains(code) {
        throw .refreshRejected("the upstream answered the refresh with code \(code)")
      }
    }
    if let code, code != 200 { throw refused("with code \(code)") }
    guard answer.status == 200 else { throw refused("with HTTP \(answer.status)") }
    guard !answer.isEncoded, let json = try? JSONValue(parsing: body), case .object = json else {
      throw refused("with something that is no JSON object")
    }
    guard let access = json["access_token"]?.string else { throw refused("without an access_token") }
    let life = WebTalk.life(ofToken: access, now: clock.wall())
    return try Token(
      access: access, refresh: json["refresh_token"]?.string ?? "", expiresAt: life.expiresAt, lifetime: life.lifetime)
  }

  /// Never with the upstream's own text: it may repeat the credentials that it was sent.
  private func refused(_ how: String) -> AdapterError {
    AdapterError(
      .malformed, "The upstream did not give the gateway a token.",
      detail: "the upstream answered the token request \(how)")
  }

  /// When a token ends and how long it lives, in milliseconds.
  ///
  /// A JWT says so in `exp` and `iat` (RFC 7519 §4.1). Their difference is the lifetime, whatever the upstream's clock
  /// shows; without `iat` it is the time from now to `exp`. Where nothing readable is there, or nothing above zero
  /// comes out (a clock that is wrong), two hours from now are assumed; a token that is dead in truth will be refused,
  /// and renewed then.
  static func life(ofToken token: String, now: Int64) -> (expiresAt: Int64, lifetime: Int64) {
    let assumed = (now + assumedLifetime, assumedLifetime)
    let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3, let payload = base64URLDecoded(parts[1]), let claims = try? JSONValue(parsing: payload),
      let end = milliseconds(claims["exp"])
    else { return assumed }
    let lifetime = end - (milliseconds(claims["iat"]) ?? now)
    return lifetime > 0 ? (end, min(lifetime, longestLifetime)) : assumed
  }

  /// A NumericDate, which may have a fraction; nil beyond the years that anybody means.
  private static func milliseconds(_ claim: JSONValue?) -> Int64? {
    guard let seconds = claim?.double, seconds >= 0, seconds < 1e12 else { return nil }
    return Int64(seconds * 1000)
  }

  /// Everything but the unreserved characters of RFC 3986 §2.3 is encoded.
  static func percentEncoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        bytes.append(byte)
      default:
        bytes.append(UInt8(ascii: "%"))
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Base64url (RFC 4648 §5), padding optional; nil for any other character.
  static func base64URLDecoded(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in text {
      let value: UInt8
      switch byte {
      case 65...90: value = byte - 65
      case 97...122: value = byte - 71
      case 48...57: value = byte + 4
      case UInt8(ascii: "-"), UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "_"), UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "="): continue
      default: return nil
      }
      bits = (bits << 6 | UInt32(value)) & 0xff_ffff
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(bits >> UInt32(count) & 0xff))
      }
    }
    return bytes
  }
}
