import AdapterAPI

// auth.

extension ConfigurationReader {
  /// - Parameter tokenNeededBy: the first route that requires a token, and so a key to verify it with.
  func readAuth(tokenNeededBy route: Configuration.Route?) -> Configuration.Auth {
    let section = section("auth")
    let earlier = problems.errorCount
    let entries = section.sections("keys")
    let keys = entries.compactMap(readKey)
    // A wrong key, or a wrong value of 'keys', has been reported; the message that none is left would add nothing.
    if entries.isEmpty, !section.isBroken, problems.errorCount == earlier, let route {
      let name = route.path.isEmpty ? "a route" : "the route \(Spelling.printable(route.path))"
      section.error(
        "'keys' in auth is \(section.contains("keys") ? "empty" : "missing"), so no caller could use \(name); "
          + "write - {alg: HS256, secret: {env: JWT_SECRET}}", at: section.contains("keys") ? "keys" : nil)
    } else if keys.isEmpty, !problems.hasErrors, let route {
      section.error(
        "no key of auth.keys is implemented yet, so no caller could use the route \(Spelling.printable(route.path))",
        at: "keys")
    }
    var auth = Configuration.Auth(keys: keys)
    auth.issuer = section.optionalText("issuer")
    auth.audience = section.optionalText("audience")
    auth.leeway = section.duration("leeway", default: auth.leeway, in: .zero...Duration.seconds(3600))
    auth.rolesClaim = section.text("roles_claim", default: auth.rolesClaim)
    auth.cache = section.integer("cache", default: auth.cache, in: 0...10_000_000)
    _ = section.optionalText("revoked")
    notImplemented(
      "revoked", section, unsafeIf: section.contains("revoked"),
      "and revoked tokens would be accepted; remove it, and give tokens a short lifetime")
    finish(section, .auth)
    return auth
  }

  private func readKey(_ key: Settings) -> Configuration.Auth.Key? {
    let isSet = key.contains("jwks")
    let material = isSet ? readKeySet(key) : readSingleKey(key)
    key.finish(knownElsewhere: ["alg", "secret", "file", "kid", "jwks", "refresh", "ca"])
    return material.map { Configuration.Auth.Key(material: $0, position: key.position) }
  }

  private func readKeySet(_ key: Settings) -> Configuration.Auth.Key.Material? {
    for other in ["alg", "secret", "file", "kid"] where key.contains(other) {
      key.error("'\(other)' is not allowed beside 'jwks', as every key of a set has its own; remove it", at: other)
      key.ignore([other])
    }
    _ = key.duration("refresh", default: .seconds(600), in: .seconds(1)...Self.day)
    _ = key.optionalText("ca")
    guard let source = key.optionalText("jwks") else { return nil }
    if source.hasPrefix("https://") {
      notImplemented("jwks", key)
      return nil
    }
    if source.hasPrefix("http://") {
      key.error(
        "'jwks' must be a file or an https:// URL; over plain http an attacker on the network could add a key",
        at: "jwks")
      return nil
    }
    for other in ["refresh", "ca"] { notImplemented(other, key) }
    let path = TextFile.join(folder, source)
    guard let json = keyFile(path, source, "jwks", key) else { return nil }
    guard json.unicodeScalars.first(where: { !"\u{feff} \t\r\n".unicodeScalars.contains($0) }) == "{" else {
      key.error(
        "the file \(Spelling.printable(source)) is not a JWK set; it must be a JSON object with 'keys'", at: "jwks")
      return nil
    }
    return .keySet(json: json, path: path)
  }

  private func readSingleKey(_ key: Settings) -> Configuration.Auth.Key.Material? {
    if case .scalar(let word, _)? = key.node("alg")?.content, word.lowercased() == "none" {
      key.error(
        "'alg' must not be none, which would accept any token; name the algorithm that the issuer signs with", at: "alg"
      )
      key.ignore(["secret", "file", "kid"])
      return nil
    }
    let hadErrors = problems.errorCount
    let word = key.choice("alg", Configuration.Auth.Algorithm.allCases.map(\.rawValue))
    let kid = key.optionalText("kid")
    guard problems.errorCount == hadErrors, let algorithm = Configuration.Auth.Algorithm(rawValue: word) else {
      // Without the algorithm it is unknown which of the two keys belongs here.
      key.ignore(["secret", "file"])
      return nil
    }
    switch algorithm {
    case .HS256, .HS384, .HS512:
      if key.contains("file") {
        key.error("\(word) needs 'secret', not 'file'; for a secret in a file write secret: {file: path}", at: "file")
        key.ignore(["file", "secret"])
        return nil
      }
      guard let secret = secret(key, algorithm) else { return nil }
      return .secret(algorithm, secret, kid: kid)
    case .RS256, .PS256, .ES256, .EdDSA:
      if key.contains("secret") {
        key.error("\(word) needs 'file' with the issuer's public key, not 'secret'", at: "secret")
        key.ignore(["file", "secret"])
        return nil
      }
      let name = key.text("file")
      guard !name.isEmpty, let pem = keyFile(TextFile.join(folder, name), name, "file", key) else { return nil }
      return publicKey(pem, name, key) ? .publicKey(algorithm, pem: pem, kid: kid) : nil
    }
  }

  /// Reads a secret. A secret shorter than the hash weakens the signature (RFC 7518 §3.2), which is a warning.
  private func secret(_ key: Settings, _ algorithm: Configuration.Auth.Algorithm) -> Secret? {
    let secret = key.secret("secret")
    guard !secret.exposed.isEmpty else { return nil }
    let least = algorithm == .HS256 ? 32 : algorithm == .HS384 ? 48 : 64
    if secret.exposed.utf8.count < least {
      key.warning(
        "the secret is too short: \(algorithm.rawValue) needs at least \(least) bytes; make a longer one, "
          + "for example with: openssl rand -hex \(least)", at: "secret")
    }
    return secret
  }

  private func publicKey(_ pem: String, _ name: String, _ key: Settings) -> Bool {
    let shown = Spelling.printable(name)
    if pem.contains("PRIVATE KEY-----") {
      key.error("the file \(shown) holds a private key; write the file of the public key instead", at: "file")
      return false
    }
    guard
      pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN CERTIFICATE-----")
        || pem.contains("-----BEGIN RSA PUBLIC KEY-----")
    else {
      key.error("the file \(shown) is not a PEM file with a public key or a certificate", at: "file")
      return false
    }
    return true
  }

  private func keyFile(_ path: String, _ name: String, _ setting: String, _ key: Settings) -> String? {
    switch TextFile.readText(path) {
    case .success(let text): return text
    case .failure(let missing):
      key.error("the file \(Spelling.printable(name)) \(missing.reason)", at: setting)
      return nil
    }
  }
}
