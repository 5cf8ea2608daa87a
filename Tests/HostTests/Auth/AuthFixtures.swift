import AdapterAPI

@testable import Host

typealias JWTAlgorithm = Configuration.Auth.Algorithm

let goodSecret = "a-secret-of-more-than-thirty-two-bytes!!"
/// The tests' time, in seconds since the epoch.
let noon: Int64 = 1_700_000_000
let somewhere = SourcePosition(line: 7, column: 3)

func hmac(_ key: [UInt8], _ input: [UInt8], _ algorithm: JWTAlgorithm = .HS256) -> [UInt8] {
  KeyedMAC(digest: algorithm.macDigest!.name, key: key)!.code(over: input)!
}

/// Returns a token with that header and those claims. `sign` gets the signing input.
func token(
  header: String = #"{"alg":"HS256","typ":"JWT"}"#, claims: String = #"{"sub":"u1","exp":1700003600}"#,
  sign: ([UInt8]) -> [UInt8] = { hmac(Array(goodSecret.utf8), $0) }
) -> String {
  let input = Base64URL.encode(header.utf8) + "." + Base64URL.encode(claims.utf8)
  return input + "." + Base64URL.encode(sign(Array(input.utf8)))
}

/// Returns a token that the key signs, with these members in its header behind `alg`.
func token(_ algorithm: JWTAlgorithm, by key: SigningKey, _ members: String = "") -> String {
  token(header: #"{"alg":"\#(algorithm.rawValue)"\#(members)}"#) { key.sign($0, algorithm) }
}

func secretKey(
  _ algorithm: JWTAlgorithm = .HS256, _ secret: String = goodSecret, kid: String? = nil
) -> Configuration.Auth.Key {
  Configuration.Auth.Key(material: .secret(algorithm, Secret(secret), kid: kid), position: somewhere)
}

func pemKey(_ algorithm: JWTAlgorithm, _ pem: String, kid: String? = nil) -> Configuration.Auth.Key {
  Configuration.Auth.Key(material: .publicKey(algorithm, pem: pem, kid: kid), position: somewhere)
}

func keySet(_ json: String) -> Configuration.Auth.Key {
  Configuration.Auth.Key(material: .keySet(json: json, path: "keys/jwks.json"), position: somewhere)
}

/// Returns a configuration's ring and problems.
func ring(
  _ keys: [Configuration.Auth.Key], issuer: String? = nil, audience: String? = nil, leeway: Duration = .seconds(30),
  rolesClaim: String = "role"
) -> (ring: KeyRing?, problems: [ConfigError]) {
  let problems = Settings.Problems()
  let auth = Configuration.Auth(
    keys: keys, issuer: issuer, audience: audience, leeway: leeway, rolesClaim: rolesClaim, cache: 100)
  return (KeyRing.make(auth, problems: problems), problems.all)
}

func verifier(
  _ keys: [Configuration.Auth.Key] = [secretKey()], issuer: String? = nil, audience: String? = nil,
  leeway: Duration = .seconds(30), rolesClaim: String = "role", cache: Int = 100
) -> TokenVerifier {
  let made = ring(keys, issuer: issuer, audience: audience, leeway: leeway, rolesClaim: rolesClaim)
  return TokenVerifier(keys: made.ring!, cacheCapacity: cache)
}

extension TokenVerifier {
  func check(header value: [UInt8], now: Int64 = noon) -> Authentication {
    value.withUnsafeBufferPointer { authenticate($0, now: now) }
  }

  func check(_ token: String, now: Int64 = noon) -> Authentication {
    check(header: Array("Bearer \(token)".utf8), now: now)
  }
}

extension Authentication {
  var principal: Principal? {
    if case .principal(let principal) = self { principal } else { nil }
  }
  var refusal: Refusal? {
    if case .refused(let refusal) = self { refusal } else { nil }
  }
}
