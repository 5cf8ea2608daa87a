import AdapterAPI

// auth.

extension ConfigurationReader {
  /// - Parameter tokenNeededBy: The first route that lets nobody in without a token; then there must be a key.
  func readAuth(tokenNeededBy route: Configuration.Route?) -> Configuration.Auth {
    let section = section("auth")
    let entries = section.sections("keys")
    let keys = entries.compactMap(readKey)
    // A key that is wrong has been reported; that no other is left would be noise.
    if entries.isEmpty, let route {
      let name = route.path.isEmpty ? "a route" : "the route \(Spelling.printable(route.path))"
      section.error(
        "'keys' in auth is \(section.contains("keys") ? "empty" : "missing"), so nobody could ever pass \(name); "
          + "write - {alg: HS256, secret: {env: JWT_SECRET}}", at: section.contains("keys") ? "keys" : nil)
    } else if keys.isEmpty, !problems.hasErrors, let route {
      section.error(
        "no key of auth.keys is in force yet, so nobody could ever pass the route \(Spelling.printable(route.path))",
        at: "keys")
    }
    var auth = Configuration.Auth(keys: keys)
    auth.issuer = section.optionalText("issuer")
    auth.audience = section.optionalText("audience")
    auth.leeway = section.duration("leeway", default: auth.leeway, in: .zero...Duration.seconds(3600))
    auth.rolesClaim = section.text("roles_claim", default: auth.rolesClaim)
    auth.cache = section.integer("cache", default: auth.cache, in: 0...10_000_000)
    _ = section.optionalText("revoked")
    notInForce("revoked", section, when: section.contains("revoked"))
    section.finish()
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
      key.error("'\(other)' does not belong beside 'jwks': every key of a set has its own", at: other)
      key.ignore([other])
    }
    let refresh = key.duration("refresh", default: .seconds(600), in: .seconds(1)...Self.day)
    let authority = key.optionalText("ca")
    guard let source = key.optionalText("jwks") else { return nil }
    if source.hasPrefix("https://") {
      notInForce("jwks", key)
      return nil
    }
    if source.hasPrefix("http://") {
      key.error(
        "'jwks' must be a file or an https:// address; over plain http anyone on the way could add a key", at: "jwks")
      return nil
    }
    notInForce("refresh", key, when: refresh != .seconds(600))
    notInForce("ca", key, when: authority != nil)
    let path = TextFile.join(folder, source)
    guard let json = keyFile(path, source, "jwks", key) else { return nil }
    guard json.utf8.first(where: { ![9, 10, 13, 32].contains($0) }) == 123 else {
      key.error(
        "the file \(Spelling.printable(source)) is no JWK set; it must be a JSON object with 'keys'", at: "jwks")
      return nil
    }
    return .keySet(json: json, path: path)
  }

  private func readSingleKey(_ key: Settings) -> Configuration.Auth.Key.Material? {
    if case .scalar(let word, _)? = key.node("alg")?.content, word.lowercased() == "none" {
      key.error("alg: none would accept any token; name the algorithm that the issuer signs with", at: "alg")
      key.ignore(["secret", "file", "kid"])
      return nil
    }
    let hadErrors = problems.errorCount
    let word = key.choice("alg", Configuration.Auth.Algorithm.allCases.map(\.rawValue))
    let kid = key.optionalText("kid")
    guard problems.errorCount == hadErrors, let algorithm = Configuration.Auth.Algorithm(rawValue: word) else {
      // Without the algorithm it is not known which of the two belongs here.
      key.ignore(["secret", "file"])
      return nil
    }
    switch algorithm {
    case .HS256, .HS384, .HS512:
      if key.contains("file") {
        key.error("\(word) needs 'secret', not 'file'; a secret in a file is secret: {file: path}", at: "file")
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

  /// A key shorter than its hash weakens the signature (RFC 7518 §3.2).
  private func secret(_ key: Settings, _ algorithm: Configuration.Auth.Algorithm) -> Secret? {
    let secret = key.secret("secret")
    guard !secret.exposed.isEmpty else { return nil }
    let least = algorithm == .HS256 ? 32 : algorithm == .HS384 ? 48 : 64
    if secret.exposed.utf8.count < least {
      key.warning(
        "the secret has fewer than \(least) bytes, which is too few for \(algorithm.rawValue); make a longer one, "
          + "for example with: openssl rand -hex \(least)", at: "secret")
    }
    return secret
  }

  private func publicKey(_ pem: String, _ name: String, _ key: Settings) -> Bool {
    let shown = Spelling.printable(name)
    if pem.contains("PRIVATE KEY-----") {
      key.error("the file \(shown) holds a private key; the gateway needs the public one only", at: "file")
      return false
    }
    guard
      pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN CERTIFICATE-----")
        || pem.contains("-----BEGIN RSA PUBLIC KEY-----")
    else {
      key.error("the file \(shown) is no PEM file with a public key or a certificate", at: "file")
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
