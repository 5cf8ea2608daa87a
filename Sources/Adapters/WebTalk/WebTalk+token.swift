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
    let appID = PercentEncoding.encode(appID.exposed)
    var target = "/_webtalk/_cur/api/access_token?grant_type="
    if let refreshToken {
      target += "refresh&appId=\(appID)&refreshToken=\(PercentEncoding.encode(refreshToken))"
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
    guard parts.count == 3, let payload = decoded(parts[1]), let claims = try? JSONValue(parsing: payload),
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

  /// Decodes a part of a JWT. More lenient than RFC 7515 §2, because the token is only read for its times: the alphabet of plain
  /// base64 and padding are accepted too.
  private static func decoded(_ part: some Sequence<UInt8>) -> [UInt8]? {
    let text = part.compactMap { byte -> UInt8? in
      switch byte {
      case UInt8(ascii: "="): nil
      case UInt8(ascii: "+"): UInt8(ascii: "-")
      case UInt8(ascii: "/"): UInt8(ascii: "_")
      default: byte
      }
    }
    return Base64URL.decode(String(decoding: text, as: UTF8.self))
  }
}
