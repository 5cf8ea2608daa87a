import AdapterAPI

/// The token exchange: one GET with the credentials in the query. Its URL is therefore never logged.
extension WebTalk {
  /// The lifetime of a token that does not state one, in milliseconds.
  static let assumedLifetime: Int64 = 2 * 3600 * 1000
  /// The longest lifetime that is believed, in milliseconds: ten years.
  static let longestLifetime: Int64 = 10 * 366 * 86400 * 1000

  public func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    // A pair without a refresh token can only be replaced by authorizing.
    let refreshToken = current.flatMap { $0.refresh.isEmpty ? nil : $0.refresh }
    let appID = PercentEncoding.encode(appID.exposed)
    var target = "/_webtalk/_cur/api/access_token?grant_type="
    if let refreshToken {
      target += "refresh&appId=\(appID)&refreshToken=\(PercentEncoding.encode(refreshToken))"
    } else {
      target += "authorization&appId=\(appID)"
    }
    // Refresh tokens rotate: a second request would be refused, and the pair of the first response lost. So a refresh is a write.
    // Every call needs the token first, so it has the highest priority.
    let response = try await client.send(
      HTTPRequest(.get, target, isWrite: refreshToken != nil, priority: .writes), deadline: deadline)
    guard case .bytes(let body) = response.body else {
      if case .stream(_, let rest) = response.body { rest.cancel() }
      throw failed("with a body far longer than a token")
    }
    let sentence = sentence(in: response.isEncoded ? [] : body, without: refreshToken)

    let code = response.isEncoded ? nil : TopLevel.code(in: body)
    if refreshToken != nil {
      if response.status == 401 { throw .refreshRejected("the upstream responded to the refresh with HTTP 401") }
      if let code, [301, 302, 305, 306].contains(code) {
        throw .refreshRejected("the upstream responded to the refresh with code \(code)\(sentence)")
      }
    }
    if let code, code != 200 { throw failed("with code \(code)\(sentence)") }
    guard response.status == 200 else { throw failed("with HTTP \(response.status)\(sentence)") }
    guard !response.isEncoded, let json = try? JSONValue(parsingResponse: body), case .object = json else {
      throw failed("with a body \(TopLevel.foreignEncoding(of: body) ?? "that is not a JSON object")")
    }
    guard let access = json["access_token"]?.string else { throw failed("without an access_token") }
    let life = WebTalk.life(ofToken: access, now: clock.wall())
    return try Token(
      access: access, refresh: json["refresh_token"]?.string ?? "", expiresAt: life.expiresAt, lifetime: life.lifetime)
  }

  /// Returns the upstream's own sentence behind a colon, for the log: `error`, else `msg`. Empty when there is none, or when it may repeat
  /// a credential of the request or has a token.
  private func sentence(in body: [UInt8], without refreshToken: String?) -> String {
    guard let json = try? JSONValue(parsingResponse: body),
      let text = [json["error"]?.string, json["msg"]?.string].compactMap(\.self).first(where: { !$0.isEmpty })
    else { return "" }
    var credentials = ["appid=", "refreshtoken=", "eyj"]
    for credential in [appID.exposed, refreshToken ?? ""] where !credential.isEmpty {
      credentials += [credential.lowercased(), PercentEncoding.encode(credential).lowercased()]
    }
    let lowered = text.lowercased()
    guard !credentials.contains(where: lowered.contains) else { return "" }
    return ": \(Spelling.printable(text, limit: WebTalk.longestSentence))"
  }

  /// The number of characters of an upstream's sentence that the log shows.
  private static let longestSentence = 200

  private func failed(_ how: String) -> AdapterError {
    AdapterError(
      .malformed, "The upstream did not give the gateway a token.",
      detail: "the upstream responded to the token request \(how)")
  }

  /// Returns the end of a token's life and its lifetime, in milliseconds.
  ///
  /// A JWT has `exp` and `iat` (RFC 7519 §4.1). Their difference is the lifetime, whatever the upstream's clock shows; without
  /// `iat` it is the time from now to `exp`. For a token without readable claims, or with a lifetime that is not above zero
  /// because of a wrong clock, two hours from now are assumed. If such a token has ended earlier, the upstream refuses it and the
  /// host renews it then.
  static func life(ofToken token: String, now: Int64) -> (expiresAt: Int64, lifetime: Int64) {
    let assumed = (now + assumedLifetime, assumedLifetime)
    guard let times = TokenTimes(of: token) else { return assumed }
    let lifetime = times.expiresAt - (times.issuedAt ?? now)
    return lifetime > 0 ? (times.expiresAt, min(lifetime, longestLifetime)) : assumed
  }
}
