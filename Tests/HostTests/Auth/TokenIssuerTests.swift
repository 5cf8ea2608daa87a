import AdapterAPI
import Testing

@testable import Host

@Suite struct TokenIssuerTests {
  private func issue(
    _ subject: String = "u1", roles: [String] = [], rolesClaim: String = "role", issuer: String? = nil,
    audience: String? = nil, lifetime: Duration = .seconds(60)
  ) -> String {
    TokenIssuer.issueHS256(
      secret: Secret(goodSecret), subject: subject, roles: roles, rolesClaim: rolesClaim, issuer: issuer,
      audience: audience,
      lifetime: lifetime, now: noon)
  }

  private func claims(_ token: String) -> String {
    String(decoding: Base64URL.decode(String(token.split(separator: ".")[1]))!, as: UTF8.self)
  }

  @Test func `an issued token is accepted during its lifetime, with its subject and roles`() {
    let verifier = verifier(issuer: "e\"c\\o", audience: "point\ngate", leeway: .zero, rolesClaim: "groups")
    let subject = "Zoë \"x\" \\ \u{0}\u{1f}\u{7f} 😀"
    for roles in [[], ["admin"], ["admin", "vie\"wer"]] {
      let made = issue(subject, roles: roles, rolesClaim: "groups", issuer: "e\"c\\o", audience: "point\ngate")
      let principal = verifier.check(made).principal
      #expect(principal?.subject == subject)
      #expect(principal?.roles == roles)
      #expect(principal?.expiresAt == noon + 60)
      #expect(verifier.check(made, now: noon + 60).refusal == .expired)
    }
  }

  @Test func `one role is a string, several roles are an array, and each token has its own id`() {
    #expect(claims(issue(roles: ["a"])).contains(#""role":"a","#))
    #expect(claims(issue(roles: ["a", "b"])).contains(#""role":["a","b"],"#))
    #expect(!claims(issue()).contains("role"))
    #expect(claims(issue()).contains(#""iat":1700000000,"exp":1700000060,"jti":""#))
    #expect(issue() != issue())
    #expect(claims(issue(lifetime: .seconds(Int64.max))).contains(#""exp":9223372036854775807"#))
  }

  @Test func `SHA-256 gives the results of FIPS 180-4`() {
    #expect(sha256Hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(sha256Hex("abc".utf8) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(sha256Hex("abc".utf8.lazy.map { $0 }) == sha256Hex(Array("abc".utf8)))
  }

  @Test func `random hexadecimal digits have the requested number, and differ`() {
    #expect(randomHex(16).utf8.count == 32)
    #expect(randomHex(16).utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) })
    #expect(randomHex(16) != randomHex(16))
    #expect(randomHex(0).isEmpty)
    #expect(randomHex(-1).isEmpty)
  }

  @Test func `base64url without padding gives the vectors of RFC 4648 section 10, and each byte survives a round trip`()
  {
    for (plain, encoded) in [
      ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
      ("foobar", "Zm9vYmFy"),
    ] {
      #expect(Base64URL.encode(plain.utf8) == encoded)
      #expect(Base64URL.decode(encoded) == Array(plain.utf8))
    }
    for count in 0..<260 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ count) }
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
    }
    for bad in [
      "A", "AAAAA", "Zh", "Zm9", "Zm9vYh", "Zg==", "Zm8=", "Z+8", "Z/8", "Zg\n", " Zg", "Zé", "====", "Zm9v=",
    ] {
      #expect(Base64URL.decode(bad) == nil, "\(bad)")
    }
  }
}
