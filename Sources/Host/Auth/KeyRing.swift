import AdapterAPI

/// The keys that verify callers' tokens, and the other requirements on a token. Immutable; a reload builds a new ring.
final class KeyRing: Sendable {
  typealias Algorithm = Configuration.Auth.Algorithm

  /// One key with its algorithm (RFC 8725 §3.1): it verifies tokens of that algorithm only.
  struct Key: Sendable {
    enum Material: Sendable {
      case mac(KeyedMAC)
      case publicKey(PublicKey)
    }
    let algorithm: Algorithm
    let kid: String?
    let kidBytes: [UInt8]?
    let material: Material

    init(_ algorithm: Algorithm, kid: String?, _ material: Material) {
      self.algorithm = algorithm
      self.kid = kid
      kidBytes = kid.map { Array($0.utf8) }
      self.material = material
    }
  }

  /// The number of keys that are tried for one token.
  static let maxTries = 8

  /// Keys with a kid first: a token with a kid is tried with the key that it names before the keys without a kid.
  let keys: [Key]
  /// In whole seconds.
  let leeway: Int64
  let issuer: [UInt8]?
  let audience: [UInt8]?
  let rolesClaim: [UInt8]

  init(keys: [Key], leeway: Duration, issuer: String?, audience: String?, rolesClaim: String) {
    self.keys = keys.filter { $0.kid != nil } + keys.filter { $0.kid == nil }
    self.leeway = max(0, leeway.components.seconds)
    self.issuer = issuer.map { Array($0.utf8) }
    self.audience = audience.map { Array($0.utf8) }
    self.rolesClaim = Array(rolesClaim.utf8)
  }

  /// Returns the ring of a configuration; nil when an error was added to `problems`.
  static func make(_ auth: Configuration.Auth, problems: Settings.Problems) -> KeyRing? {
    let reading = Reading(problems)
    for key in auth.keys { reading.add(key) }
    reading.warnAboutCrowds(at: auth.keys.first?.position)
    guard !reading.failed else { return nil }
    return KeyRing(
      keys: reading.keys, leeway: auth.leeway, issuer: auth.issuer, audience: auth.audience,
      rolesClaim: auth.rolesClaim)
  }

  /// The keys read so far from a configuration.
  private final class Reading {
    private(set) var keys: [Key] = []
    private(set) var failed = false
    private let problems: Settings.Problems
    private var named: Set<String> = []
    /// The entries of JWK sets so far, by `JSONWebKey.identity`.
    private var seen: Set<[String]> = []

    init(_ problems: Settings.Problems) { self.problems = problems }

    func add(_ key: Configuration.Auth.Key) {
      do throws(KeyProblem) {
        switch key.material {
        case .secret(let algorithm, let secret, let kid):
          // RFC 8725 §2.1: the text of a public key is no secret.
          guard !secret.exposed.contains("-----BEGIN ") else {
            throw KeyProblem(
              "the secret is a PEM text; give a public key as 'file', with its alg, such as RS256")
          }
          try add(algorithm, secret: Array(secret.exposed.utf8), kid: kid)
        case .publicKey(let algorithm, let pem, let kid):
          try add(Key(algorithm, kid: kid, .publicKey(PublicKey.read(pem: pem, for: algorithm))))
        case .keySet(let json, let path):
          try addSet(json, path: path, at: key.position)
        }
      } catch {
        fail("auth.keys: \(error.message)", at: key.position)
      }
    }

    private func fail(_ message: String, at position: SourcePosition) {
      failed = true
      problems.error(message, at: position)
    }

    private func add(_ key: Key) throws(KeyProblem) {
      if let kid = key.kid, !named.insert("\(key.algorithm.rawValue) \(kid)").inserted {
        throw KeyProblem(
          "two \(key.algorithm.rawValue) keys have the kid '\(Spelling.printable(kid))'; give each key its own kid")
      }
      keys.append(key)
    }

    private func add(_ algorithm: Algorithm, secret: [UInt8], kid: String?) throws(KeyProblem) {
      guard let digest = algorithm.macDigest else {
        throw KeyProblem("\(algorithm.rawValue) needs a public key, not a secret; give 'file', or alg HS256")
      }
      guard !secret.isEmpty else {
        throw KeyProblem("the secret is empty; make one with: openssl rand -hex 32")
      }
      guard let mac = KeyedMAC(digest: digest.name, key: secret) else {
        throw KeyProblem("OpenSSL refuses \(digest.name) here; allow it in the system's OpenSSL configuration")
      }
      try add(Key(algorithm, kid: kid, .mac(mac)))
    }

    /// Adds the usable keys of a set. Any other entry is left out with a warning that names it: one odd key of an issuer must not
    /// stop the service for all its users (RFC 7517 §5).
    private func addSet(_ json: String, path: String, at position: SourcePosition) throws(KeyProblem) {
      let entries = try JSONWebKey.readSet(json, path: path)
      let before = keys.count
      for (index, slice) in entries.enumerated() {
        var label = "\(path): keys[\(index)]"
        do throws(KeyProblem) {
          let entry = try JSONWebKey(json: slice)
          if let kid = entry.text["kid"] { label += " (kid '\(Spelling.printable(kid))')" }
          if let doubt = try addEntry(entry) { problems.warning("auth.keys: \(label): \(doubt)", at: position) }
        } catch {
          problems.warning(
            "auth.keys: \(label): \(error.message); the entry is not used (RFC 7517 section 5)", at: position)
        }
      }
      guard keys.count > before else {
        throw KeyProblem(
          "\(path): the set has no usable key for signatures; add one with kty RSA, EC, OKP or oct and use 'sig'")
      }
    }

    /// Adds one entry of a set. Returns a warning about an entry that is used nevertheless.
    private func addEntry(_ entry: JSONWebKey) throws(KeyProblem) -> String? {
      let kid = entry.text["kid"]
      let key = try entry.key()
      guard seen.insert(entry.identity).inserted else { throw KeyProblem("an earlier entry has the same key") }
      switch key {
      case .secret(let algorithm, let secret):
        try add(algorithm, secret: secret, kid: kid)
        guard let size = algorithm.macDigest?.size, secret.count < size else { return nil }
        return "the secret has \(secret.count) bytes; a secret under \(size) bytes can be guessed from a token "
          + "(RFC 7518 section 3.2). Make a longer one"
      case .publicKey(let algorithm, let publicKey):
        try add(Key(algorithm, kid: kid, .publicKey(publicKey)))
        return entry.isPrivate ? "the entry contains a private key, which is not used; remove it from the file" : nil
      }
    }

    /// Warns about keys that a token without a kid never reaches, since only `maxTries` keys are tried.
    func warnAboutCrowds(at position: SourcePosition?) {
      guard let position else { return }
      for algorithm in Algorithm.allCases {
        let count = keys.count { $0.algorithm == algorithm }
        guard count > KeyRing.maxTries else { continue }
        problems.warning(
          "auth.keys: \(count) keys for \(algorithm.rawValue); a token without kid is tried with \(KeyRing.maxTries) "
            + "of them. Remove old keys, or have tokens issued with kid", at: position)
      }
    }
  }
}

extension Configuration.Auth.Algorithm {
  /// The digest of an HMAC algorithm and its size in bytes, which is also the least size of a good secret; nil for any other
  /// algorithm.
  var macDigest: (name: StaticString, size: Int)? {
    switch self {
    case .HS256: ("SHA256", 32)
    case .HS384: ("SHA384", 48)
    case .HS512: ("SHA512", 64)
    case .RS256, .PS256, .ES256, .EdDSA: nil
    }
  }
}
