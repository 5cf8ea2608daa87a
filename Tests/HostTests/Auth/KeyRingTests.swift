import AdapterAPI
import Testing

@testable import Host

@Suite struct KeyRingTests {
  /// Expects one error at the key's position that contains `words`.
  private func expectRefused(
    _ key: Configuration.Auth.Key, _ words: String, _ location: SourceLocation = #_sourceLocation
  ) {
    let made = ring([key])
    #expect(made.ring == nil, sourceLocation: location)
    let errors = made.problems.filter { $0.severity == .error }
    #expect(errors.count == 1, "\(errors.map(\.message))", sourceLocation: location)
    #expect(errors.first?.position == somewhere, sourceLocation: location)
    #expect(errors.first?.message.contains(words) == true, "\(errors.map(\.message))", sourceLocation: location)
  }

  @Test func `SPKI, PKCS #1 and certificate PEM files give a public key`() {
    for (algorithm, key) in [(.RS256, .rsa), (.PS256, .rsa), (.ES256, .p256), (.EdDSA, .ed25519)]
      as [(JWTAlgorithm, SigningKey)]
    {
      let made = token(header: #"{"alg":"\#(algorithm.rawValue)"}"#) { key.sign($0, algorithm) }
      #expect(verifier([pemKey(algorithm, key.publicPEM)]).check(made).principal != nil)
      #expect(verifier([pemKey(algorithm, "a comment\n\n" + key.publicPEM + "\n")]).check(made).principal != nil)
    }
    let rs256 = token(header: #"{"alg":"RS256"}"#) { SigningKey.rsa.sign($0, .RS256) }
    #expect(verifier([pemKey(.RS256, SigningKey.rsa.pkcs1PEM)]).check(rs256).principal != nil)
    let chain = SigningKey.rsa.certificatePEM + SigningKey.otherRSA.certificatePEM
    #expect(verifier([pemKey(.RS256, chain)]).check(rs256).principal != nil)
  }

  @Test func `a bad PEM text is refused with the remedy`() {
    let good = SigningKey.rsa.publicPEM
    expectRefused(pemKey(.RS256, ""), "BEGIN PUBLIC KEY")
    expectRefused(pemKey(.RS256, "hello"), "BEGIN PUBLIC KEY")
    expectRefused(pemKey(.RS256, String(good.dropLast(30))), "BEGIN PUBLIC KEY")
    expectRefused(pemKey(.RS256, good.replacing("MIIB", with: "MIIC")), "damaged")
    expectRefused(pemKey(.RS256, SigningKey.rsa.overlongPEM), "damaged")
    expectRefused(pemKey(.RS256, good + SigningKey.otherRSA.publicPEM), "more than one")
    expectRefused(pemKey(.RS256, good + SigningKey.rsa.privatePEM), "more than one")
    expectRefused(pemKey(.RS256, SigningKey.rsa.privatePEM), "openssl pkey")
    expectRefused(pemKey(.RS256, "-----BEGIN X-----\nAAAA\n-----END X-----\n"), "'X'")
    expectRefused(pemKey(.RS256, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "damaged")
    expectRefused(pemKey(.RS256, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "damaged")
    expectRefused(pemKey(.RS256, String(repeating: "x", count: 1 << 20 + 1)), "1 MiB")
  }

  @Test func `a key of the wrong kind for its algorithm, or a weak key, is refused`() {
    expectRefused(pemKey(.RS256, SigningKey.p256.publicPEM), "alg ES256")
    expectRefused(pemKey(.PS256, SigningKey.ed25519.publicPEM), "alg EdDSA")
    expectRefused(pemKey(.ES256, SigningKey.rsa.publicPEM), "alg RS256")
    expectRefused(pemKey(.EdDSA, SigningKey.p256.publicPEM), "Ed25519")
    expectRefused(pemKey(.RS256, SigningKey(.rsa(bits: 1024)).publicPEM), "2048")
    expectRefused(pemKey(.ES256, SigningKey(.ec("P-384")).publicPEM), "P-256")
    expectRefused(pemKey(.HS256, SigningKey.rsa.publicPEM), "secret")
    expectRefused(secretKey(.RS256), "public key")
    expectRefused(secretKey(.HS256, ""), "empty")
    expectRefused(secretKey(.HS256, SigningKey.rsa.publicPEM), "PEM")
  }

  @Test func `one run reports every problem, and no problem shows a secret`() {
    let made = ring([
      secretKey(.RS256, "hush-hush"), pemKey(.RS256, "hush-hush"), keySet(#"{"k":"hush-hush"}"#), secretKey(),
    ])
    #expect(made.ring == nil)
    #expect(made.problems.count == 3)
    #expect(!made.problems.contains { $0.message.contains("hush") })
  }

  @Test func `two keys with one algorithm and one kid are refused`() {
    let other = "another-secret-another-secret-another"
    #expect(ring([secretKey(kid: "a"), secretKey(.HS256, other, kid: "a")]).ring == nil)
    #expect(ring([secretKey(kid: "a"), secretKey(.HS512, other + other, kid: "a")]).ring != nil)
    #expect(ring([secretKey(kid: "a"), secretKey(.HS256, other, kid: "b")]).ring != nil)
  }

  // MARK: JWK sets

  private let k = Base64URL.encode([UInt8](repeating: 7, count: 64))
  private func set(_ entries: String...) -> String { #"{"keys":[\#(entries.joined(separator: ","))]}"# }
  private var n: String { Base64URL.encode(SigningKey.rsa.number("n")) }
  private var x: String { Base64URL.encode(SigningKey.p256.number("qx", width: 32)) }
  private var y: String { Base64URL.encode(SigningKey.p256.number("qy", width: 32)) }
  private var ed: String { Base64URL.encode(SigningKey.ed25519.ed25519Public) }

  @Test func `keys of a JWK set are bound to their alg, or to the algorithm of their kind`() {
    let json = set(
      #"{"kty":"RSA","kid":"r","use":"sig","n":"\#(n)","e":"AQAB","x5t":"x"}"#,
      #"{"kty":"RSA","kid":"p","alg":"PS256","n":"\#(n)","e":"AQAB"}"#,
      #"{"kty":"EC","crv":"P-256","kid":"e","x":"\#(x)","y":"\#(y)","key_ops":["verify"]}"#,
      #"{"kty":"OKP","crv":"Ed25519","x":"\#(ed)"}"#,
      #"{"kty":"oct","alg":"HS512","k":"\#(k)"}"#)
    let made = ring([keySet(json)])
    #expect(made.problems.isEmpty)
    let verifier = TokenVerifier(keys: made.ring!, cacheCapacity: 0)
    for (header, key, algorithm) in [
      (#"{"alg":"RS256","kid":"r"}"#, .rsa, .RS256), (#"{"alg":"RS256"}"#, .rsa, .RS256),
      (#"{"alg":"PS256","kid":"p"}"#, .rsa, .PS256),
      (#"{"alg":"ES256","kid":"e"}"#, .p256, .ES256), (#"{"alg":"EdDSA","kid":"any"}"#, .ed25519, .EdDSA),
    ] as [(String, SigningKey, JWTAlgorithm)] {
      #expect(verifier.check(token(header: header) { key.sign($0, algorithm) }).principal != nil, "\(header)")
    }
    #expect(verifier.check(token(.RS256, by: .rsa, #","kid":"p""#)).refusal == .noKey)
    #expect(
      verifier.check(token(header: #"{"alg":"HS512"}"#) { hmac([UInt8](repeating: 7, count: 64), $0, .HS512) })
        .principal != nil)
  }

  @Test func `a JWK set without a usable key, or of the wrong form, is refused`() {
    for json in [
      "", "[]", "null", "{", #"{"keys":[{}}"#, #"{"keys":[],"keys":[]}"#, #"{"keys":[1,]}"#, "{\"keys\":[]}\u{0}",
    ] {
      expectRefused(keySet(json), "keys/jwks.json: the file is not a strict JSON object")
    }
    expectRefused(keySet("{}"), "the array 'keys' is missing")
    expectRefused(keySet(#"{"keys":{}}"#), "the array 'keys' is missing")
    expectRefused(keySet(#"{"keys":[]}"#), "no usable key for signatures")
    expectRefused(keySet(String(repeating: " ", count: 1 << 20 + 1)), "1 MiB")
  }

  /// Entries that cannot be used, each with a part of the reason.
  private var unusable: [(String, String)] {
    [
      ("1", "strict JSON object"), ("[]", "strict JSON object"), (#"{"kty":"oct","kty":"oct"}"#, "strict JSON object"),
      ("{}", "'kty' is missing"),
      (#"{"kty":1}"#, "'kty' has the wrong type"), (#"{"kty":"RSA","kid":5}"#, "'kid' has the wrong type"),
      (#"{"kty":"RSA"}"#, "'n' is missing"), (#"{"kty":"RSA","n":"\#(n)"}"#, "'e' is missing"),
      (#"{"kty":"RSA","n":"\#(n)=","e":"AQAB"}"#, "base64url"),
      (#"{"kty":"RSA","n":"","e":"AQAB"}"#, "not an RSA public key"),
      (#"{"kty":"RSA","n":"\#(n)","e":""}"#, "not an RSA public key"),
      (#"{"kty":"RSA","n":"\#(n.prefix(172))","e":"AQAB"}"#, "2048"),
      (#"{"kty":"RSA","n":"\#(n)","e":"AQ"}"#, "damaged"),
      (#"{"kty":"RSA","n":"\#(String(repeating: "A", count: 4000))","e":"AQAB"}"#, "not an RSA public key"),
      (#"{"kty":"RSA","alg":"ES256","n":"\#(n)","e":"AQAB"}"#, "supports RS256, PS256 only"),
      (#"{"kty":"RSA","alg":"HS256","n":"\#(n)","e":"AQAB"}"#, "supports RS256"),
      (#"{"kty":"RSA","alg":"RS512","n":"\#(n)","e":"AQAB"}"#, "'RS512' is not supported"),
      (#"{"kty":"RSA","use":"enc","n":"\#(n)","e":"AQAB"}"#, "'use' is 'enc'"),
      (#"{"kty":"RSA","key_ops":["encrypt"],"n":"\#(n)","e":"AQAB"}"#, "'key_ops' has no 'verify'"),
      (#"{"kty":"EC","x":"\#(x)","y":"\#(y)"}"#, "'crv' is missing"),
      (#"{"kty":"EC","crv":"P-256","x":"\#(x)"}"#, "'y' is missing"),
      (#"{"kty":"EC","crv":"P-256","x":"\#(x)","y":"\#(x)"}"#, "not a point on P-256"),
      (#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"\#(y)"}"#, "not a point on P-256"),
      (#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#, "'P-384' is not supported"),
      (#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, "32 bytes"),
      (#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, "'X25519' is not supported"),
      (#"{"kty":"AKP"}"#, "'AKP' is not supported"),
      (#"{"kty":"oct","k":"\#(k)"}"#, "'alg' is missing"),
      (#"{"kty":"oct","alg":"none","k":"\#(k)"}"#, "'none' is not supported"),
      (#"{"kty":"oct","alg":"RS256","k":"\#(k)"}"#, "supports HS256"),
      (#"{"kty":"oct","alg":"HS256","k":""}"#, "the secret is empty"),
      (#"{"kty":"oct","alg":"HS256"}"#, "'k' is missing"),
    ]
  }

  @Test
  func `an entry of a JWK set that cannot be used is left out with a warning that names it, and the rest serve`() {
    let good = #"{"kty":"oct","alg":"HS256","kid":"good","k":"\#(k)"}"#
    for (entry, words) in unusable {
      for (json, index) in [(set(good, entry), 1), (set(entry, good), 0)] {
        let made = ring([keySet(json)])
        #expect(made.ring?.keys.map(\.kid) == ["good"], "\(entry)")
        #expect(made.problems.map(\.severity) == [.warning], "\(entry)")
        let message = made.problems.first?.message ?? ""
        #expect(message.contains("keys/jwks.json: keys[\(index)]") && message.contains(words), "\(message)")
        #expect(message.hasSuffix("the entry is not used (RFC 7517 section 5)"))
      }
      // A set without any usable key is an error.
      let alone = ring([secretKey(), keySet(set(entry))])
      #expect(alone.ring == nil)
      #expect(alone.problems.map(\.severity) == [.warning, .error], "\(entry)")
      #expect(alone.problems.last?.message.contains("no usable key for signatures") == true)
    }
    let weak = ring([keySet(set(#"{"kty":"oct","kid":"weak\u0000\u001b[","alg":"HS256","k":""}"#, good))])
    #expect(weak.problems.first?.message.contains("(kid 'weak??[')") == true)
  }

  @Test func `of two entries with one kid and algorithm, or with the same key, the first serves`() {
    let good = #"{"kty":"oct","alg":"HS256","kid":"a","k":"\#(k)"}"#
    let rsa = #"{"kty":"RSA","kid":"a","n":"\#(n)","e":"AQAB"}"#
    let other = #"{"kty":"RSA","kid":"a","n":"\#(Base64URL.encode(SigningKey.otherRSA.number("n")))","e":"AQAB"}"#
    let bare = #"{"kty":"RSA","n":"\#(n)","e":"AQAB"}"#
    for (json, words) in [
      (set(rsa, other), "two RS256 keys have the kid 'a'"), (set(good, good), "an earlier entry has the same key"),
      (set(bare, bare), "an earlier entry has the same key"),
    ] {
      let made = ring([keySet(json)])
      #expect(made.ring?.keys.count == 1)
      #expect(made.problems.map(\.severity) == [.warning])
      #expect(made.problems.first?.message.contains("keys[1]") == true)
      #expect(made.problems.first?.message.contains(words) == true, "\(made.problems)")
    }
    // One kid may name keys of several kinds (RFC 7517 section 4.5).
    let both = ring([keySet(set(good, rsa))])
    #expect(both.ring?.keys.count == 2 && both.problems.isEmpty)
    let across = ring([secretKey(kid: "a"), keySet(set(good, rsa))])
    #expect(across.ring?.keys.count == 2)
    #expect(across.problems.map(\.severity) == [.warning])
  }

  @Test func `a byte order mark before a JWK set is not a part of it`() {
    #expect(ring([keySet("\u{feff}" + set(#"{"kty":"oct","alg":"HS256","k":"\#(k)"}"#))]).ring?.keys.count == 1)
  }

  @Test func `private members and short secrets lead to warnings that do not show them, and the keys serve`() {
    let made = ring([keySet(set(#"{"kty":"RSA","n":"\#(n)","e":"AQAB","d":"c2VjcmV0","p":"c2VjcmV0"}"#))])
    #expect(made.ring?.keys.count == 1)
    #expect(made.problems.map(\.severity) == [.warning])
    #expect(made.problems.first?.message.contains("private key") == true)
    let short = ring([keySet(set(#"{"kty":"oct","alg":"HS384","k":"c2VjcmV0"}"#))])
    #expect(short.ring?.keys.count == 1)
    #expect(short.problems.map(\.severity) == [.warning])
    #expect(short.problems.first?.message.contains("under 48") == true)
    #expect(!(made.problems + short.problems).contains { $0.message.contains("c2VjcmV0") })
  }

  @Test func `many threads verify with one ring at the same time`() async {
    let keys = ring([
      secretKey(), pemKey(.RS256, SigningKey.rsa.publicPEM), pemKey(.ES256, SigningKey.p256.publicPEM),
      pemKey(.EdDSA, SigningKey.ed25519.publicPEM),
    ]).ring!
    let tokens = [
      token(), token(.RS256, by: .rsa), token(.ES256, by: .p256), token(.EdDSA, by: .ed25519),
    ]
    let accepted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let verifier = TokenVerifier(keys: keys, cacheCapacity: 0)
          return (0..<50).reduce(0) { sum, round in sum + (verifier.check(tokens[round % 4]).principal == nil ? 0 : 1) }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(accepted == 400)
  }
}
