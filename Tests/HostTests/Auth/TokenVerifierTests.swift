import AdapterAPI
import Testing

@testable import Host

@Suite struct TokenVerifierTests {
  @Test func `a good token gives its principal`() {
    let claims =
      #"{"sub":"u1","userId":1,"username":"u1","role":["viewer","admin",""],"nbf":1699999999,"exp":1700003600.7}"#
    let principal = verifier().check(token(claims: claims)).principal
    #expect(principal?.subject == "u1")
    #expect(principal?.roles == ["viewer", "admin"])
    #expect(principal?.expiresAt == 1_700_003_600)
    #expect(principal?.notBefore == 1_699_999_999)
    #expect(principal?.hasAny(of: ["operator", "admin"]) == true)
    #expect(principal?.hasAny(of: ["ADMIN", "adm", "admin2", ""]) == false)
    #expect(principal?.hasAny(of: []) == false)
  }

  @Test func `the header must be 'Bearer' in any case, spaces, and the token alone`() {
    let verifier = verifier()
    let good = token()
    for value in ["Bearer \(good)", "bearer \(good)", "BEARER    \(good)", "bEaReR \(good)"] {
      #expect(verifier.check(header: Array(value.utf8)).principal != nil, "\(value.prefix(12))")
    }
    let bad = [
      "", " ", "Bearer", "Bearer ", "Bearer      ", good, "Basic \(good)", "Bearer\t\(good)", "Bearer\(good)",
      "Bearer  ,\(good)",
      "Bearer \(good) ", "Bearer \(good),Bearer \(good)", "Bearer \"\(good)\"", " Bearer \(good)", "Token \(good)",
      "Bearer Bearer \(good)", "Bearer \(good)\u{0}", "\u{2}earer \(good)", "Bearer \(good); x=y",
    ]
    for value in bad { #expect(verifier.check(header: Array(value.utf8)).principal == nil, "\(value.prefix(12))") }
  }

  @Test func `alg 'none', its spellings and other types are refused, with a good HMAC and without a signature`() {
    let verifier = verifier()
    let spellings = [
      #""none""#, #""None""#, #""nOnE""#, #""NONE""#, #""""#, "null", #"["HS256"]"#, #"{"alg":"HS256"}"#, "256",
      #""HS256 ""#,
      #""hs256""#, #""HS256\u0000""#, #""HS25""#, #""HS2566""#, "true", #""HS384""#, #""ES256K""#,
    ]
    for alg in spellings {
      let signed = token(header: #"{"alg":\#(alg),"typ":"JWT"}"#)
      #expect(verifier.check(signed).principal == nil, "\(alg)")
      #expect(verifier.check(String(signed[...signed.lastIndex(of: ".")!])).principal == nil, "\(alg) unsigned")
    }
    #expect(verifier.check(token(header: #"{"typ":"JWT"}"#)).refusal == .header)
    let two = Base64URL.encode(#"{"alg":"none"}"#.utf8) + "." + Base64URL.encode(#"{"exp":1700003600}"#.utf8)
    #expect(verifier.check(two).refusal == .shape)
    #expect(verifier.check(token(header: #"{"\u0061lg":"HS\u0032\u00356"}"#)).principal != nil, "escapes do not matter")
  }

  @Test func `a public key's bytes are never accepted as an HMAC key`() {
    let pem = SigningKey.rsa.publicPEM
    let verifier = verifier([pemKey(.RS256, pem), secretKey()])
    #expect(verifier.check(token(header: #"{"alg":"RS256"}"#) { SigningKey.rsa.sign($0, .RS256) }).principal != nil)
    #expect(verifier.check(token()).principal != nil)
    let body = pem.split(separator: "\n").dropFirst().dropLast().joined()
    let urlSafe = body.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    let crlf = pem.replacing("\n", with: "\r\n")
    let known = [
      Array(pem.utf8), Array(pem.utf8.dropLast()), Array(crlf.utf8), Base64URL.decode(urlSafe)!,
      SigningKey.rsa.number("n"),
    ]
    for key in known {
      #expect(verifier.check(token { hmac(key, $0) }).refusal == .signature)
      #expect(verifier.check(token(header: #"{"alg":"RS256"}"#) { hmac(key, $0) }).refusal == .signature)
    }
    #expect(verifier.check(token(header: #"{"alg":"RS256"}"#)).refusal == .signature)
    for alg in ["RS512", "PS256", "RS384", "HS512"] {
      let made = token(header: #"{"alg":"\#(alg)"}"#) { SigningKey.rsa.sign($0, .RS256) }
      #expect(verifier.check(made).principal == nil, "\(alg)")
    }
    // A leading zero does not change the signature's number.
    let longer = token(header: #"{"alg":"RS256"}"#) { [0] + SigningKey.rsa.sign($0, .RS256) }
    #expect(verifier.check(longer).refusal == .signature)
    #expect(verifier.check(token(.RS256, by: .otherRSA)).refusal == .signature)
  }

  @Test func `a key in the token is never used`() {
    let attacker = Array("attacker-attacker-attacker-attacker".utf8)
    let x = Base64URL.encode(SigningKey.ed25519.ed25519Public)
    let verifier = verifier([secretKey(), pemKey(.RS256, SigningKey.rsa.publicPEM)])
    for extra in [
      #""jku":"http://127.0.0.1/jwks.json""#, #""x5u":"http://127.0.0.1/c""#,
      #""x5c":["MIIB"],"x5u":"http://127.0.0.1/c""#,
      #""jwk":{"kty":"oct","k":"YXR0YWNrZXI"}"#, #""jwk":{"kty":"OKP","crv":"Ed25519","x":"\#(x)"}"#,
      #""kid":"../../dev/null""#,
    ] {
      #expect(verifier.check(token(header: #"{"alg":"HS256",\#(extra)}"#) { hmac(attacker, $0) }).refusal == .signature)
      #expect(verifier.check(token(.RS256, by: .otherRSA, ",\(extra)")).refusal == .signature)
      #expect(verifier.check(token(.EdDSA, by: .ed25519, ",\(extra)")).refusal == .noKey)
      #expect(verifier.check(token(header: #"{"alg":"HS256",\#(extra)}"#)).principal != nil, "the members do no harm")
    }
  }

  @Test func `a token has one text: padding, another alphabet, spare bits and invalid characters are refused`() {
    // The signature contains `-` or `_`, so that the other alphabet gives another text.
    let good = (0...).lazy.map { token(claims: #"{"exp":1700003600,"n":\#($0)}"#) }
      .first { $0.split(separator: ".")[2].contains { "-_".contains($0) } }!
    let parts = good.split(separator: ".").map(String.init)
    let (h, p, s) = (parts[0], parts[1], parts[2])
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    let last = alphabet.firstIndex(of: s.last!)!
    let verifier = verifier()
    #expect(verifier.check(good).principal != nil)
    var bad = [
      "\(h).\(p).\(s)=", "\(h)=.\(p).\(s)", "\(h)==.\(p).\(s)", "\(h).\(p)=.\(s)", "\(good)A", "\(good).", ".\(good)",
      ".\(p).\(s)",
      "\(h)..\(s)", "\(h).\(p).", "\(h).\(p)", "\(h).\(p.prefix(5))\t\(p.dropFirst(5)).\(s)",
      "\(h).\(p.prefix(5)) \(p.dropFirst(5)).\(s)", "\(h).\(p.prefix(5))\n\(p.dropFirst(5)).\(s)",
      "\(h).\(p.prefix(5)).\(p.dropFirst(5)).\(s)",
      "\(h).\(p).\(s.prefix(3))%41\(s.dropFirst(4))",
      "\(h).\(p).\(s.replacing("-", with: "+").replacing("_", with: "/"))",
      "\(h).\(p).\(s.prefix(3))é\(s.dropFirst(5))", "\(h).\(p).\(s.dropLast())", "\(h)AAAA.\(p).\(s)",
    ]
    // 43 characters have 258 bits for 256: the last character has two spare bits.
    for spare in 1...3 { bad.append("\(h).\(p).\(s.dropLast())\(alphabet[last | spare])") }
    for variant in bad { #expect(verifier.check(variant).principal == nil, "\(variant)") }
  }

  @Test func `a header that is not a strict JSON object is refused`() {
    let verifier = verifier()
    let bad: [(String, Refusal)] = [
      ("", .shape), ("null", .header), ("[]", .header), (#""HS256""#, .header), ("{}", .header),
      (#"{"alg":"HS256"}x"#, .header),
      (#"{"alg":"HS256","alg":"HS256"}"#, .header), (#"{"alg":"HS256","\u0061lg":"HS256"}"#, .header),
      (#"{"alg":"none","alg":"HS256"}"#, .header),
      (#"{"alg":"HS256",}"#, .header), (#"{"alg":"HS256"#, .header), (#"{'alg':'HS256'}"#, .header),
      (#"{"alg":"HS256","kid":1}"#, .header),
      (#"{"alg":"HS256","kid":null}"#, .header), (#"{"alg":"HS256","typ":{}}"#, .header),
      ("\u{feff}" + #"{"alg":"HS256"}"#, .header),
      (#"{"alg":"HS256","crit":["exp"]}"#, .critical), (#"{"alg":"HS256","crit":[]}"#, .critical),
      (#"{"alg":"HS256","b64":true}"#, .critical),
      (#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, .critical),
      (#"{"alg":"HS256","x":"# + String(repeating: "[", count: 3000), .header),
      (#"{"alg":"HS256","x":"\ud800"}"#, .header), (#"{"alg":"HS256","x":01}"#, .header),
      (#"{"alg":"HS256","x":tru}"#, .header),
    ]
    for (text, refusal) in bad { #expect(verifier.check(token(header: text)).refusal == refusal, "\(text.prefix(60))") }
    for text in [
      #" { "alg" : "HS256" } "#, #"{"alg":"HS256","typ":"at+jwt","cty":"x","x":[{"y":[1,-2.5e3,null,true]}]}"#,
    ] {
      #expect(verifier.check(token(header: text)).principal != nil, "\(text)")
    }
  }

  @Test func `a token of 8 KiB is accepted, and a longer one is refused`() {
    let verifier = verifier()
    func padded(_ count: Int) -> String {
      token(claims: #"{"exp":1700003600,"x":"\#(String(repeating: "x", count: count))"}"#)
    }
    let overhead = padded(0).utf8.count
    let fitting = padded((TokenVerifier.maxTokenSize - overhead) / 4 * 3 - 3)
    #expect(TokenVerifier.maxTokenSize - fitting.utf8.count < 9)
    #expect(verifier.check(fitting).principal != nil)
    #expect(verifier.check(fitting).principal != nil)
    let over = padded((TokenVerifier.maxTokenSize - overhead) / 4 * 3 + 9)
    #expect(verifier.check(over).refusal == .size)
    #expect(verifier.check("a.b.c").refusal == .size)
  }

  @Test func `a kid selects among the keys that have one`() {
    let (a, b, c) = (
      "key-a-key-a-key-a-key-a-key-a-key-a", "key-b-key-b-key-b-key-b-key-b-key-b",
      "key-c-key-c-key-c-key-c-key-c-key-c"
    )
    let verifier = verifier([secretKey(.HS256, c), secretKey(.HS256, a, kid: "a"), secretKey(.HS256, b, kid: "b")])
    func check(_ key: String, _ kid: String?) -> Refusal? {
      let header = kid.map { #"{"alg":"HS256","kid":"\#($0)"}"# } ?? #"{"alg":"HS256"}"#
      return verifier.check(token(header: header) { hmac(Array(key.utf8), $0) }).refusal
    }
    for (key, kid) in [(a, "a"), (b, "b"), (a, nil), (b, nil), (c, nil)] { #expect(check(key, kid) == nil) }
    for kid in ["a", "z"] { #expect(check(c, kid) == nil, "a key without kid is tried for every kid") }
    for kid in ["b", "z"] { #expect(check(a, kid) == .signature) }
    let named = Host.TokenVerifier(keys: ring([secretKey(.HS256, a, kid: "a")]).ring!, cacheCapacity: 0)
    #expect(named.check(token(header: #"{"alg":"HS256","kid":"b"}"#) { hmac(Array(a.utf8), $0) }).refusal == .noKey)
  }

  @Test func `without a kid at most eight keys are tried`() {
    let secrets = (0..<9).map { "secret-number-\($0)-secret-number-secret" }
    let made = ring(secrets.map { secretKey(.HS256, $0) })
    #expect(made.problems.map(\.severity) == [.warning])
    let verifier = TokenVerifier(keys: made.ring!, cacheCapacity: 0)
    #expect(verifier.check(token { hmac(Array(secrets[7].utf8), $0) }).principal != nil)
    #expect(verifier.check(token { hmac(Array(secrets[8].utf8), $0) }).refusal == .signature)
  }
}
