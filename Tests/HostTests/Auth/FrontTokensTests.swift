import AdapterAPI
import Testing

@testable import Host

@Suite struct FrontTokensTests {
  private func make(_ keys: [Configuration.Auth.Key] = [secretKey()]) -> FrontTokens? {
    FrontTokens(Configuration.Auth(keys: keys))
  }

  private func claims(_ token: String) throws -> JSONValue {
    try JSONValue(parsing: #require(Base64URL.decode(String(token.split(separator: ".")[1]))))
  }

  /// Test case 3 of RFC 5869 has neither salt nor info. The second value was computed with Python's `hmac`.
  @Test func `deriveKey gives the values of HKDF-SHA256 without salt`() {
    func hex(_ secret: [UInt8], _ purpose: String) -> String {
      deriveKey(from: secret, for: purpose).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    #expect(
      hex([UInt8](repeating: 0x0B, count: 22), "") == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )
    #expect(
      hex(Array("secret".utf8), "webtalk-front") == "365ad27b60845b0fc857883fe01551c86571e82915dce3183da495410d2b87d2")
    #expect(hex(Array("secret".utf8), "webtalk-front") != hex(Array("secret".utf8), "webtalk-fronts"))
  }

  @Test func `a token names the application by a hash, its purpose and its lifetime in seconds`() throws {
    let tokens = try #require(make())
    let app = tokens.name(ofApp: Secret("appidtest001"))
    let token = tokens.issue(.refresh, to: app, lifetime: .seconds(90), now: noon)
    let claims = try claims(token)
    #expect(claims["sub"]?.string == app && claims["purpose"]?.string == "refresh")
    #expect(claims["aud"]?.string == "webtalk-front")
    #expect(claims["iat"]?.double == Double(noon) && claims["exp"]?.double == Double(noon + 90))
    #expect(!app.contains("appidtest001") && app != tokens.name(ofApp: Secret("appidtest002")))
    #expect(token != tokens.issue(.refresh, to: app, lifetime: .seconds(90), now: noon), "each has an id of its own")
  }

  @Test func `the name of an application depends on the secret, and is the same for the same secret`() throws {
    let other = try #require(make([secretKey(.HS256, "another-secret-of-more-than-32-bytes!!!")]))
    let name = try #require(make()).name(ofApp: Secret("a"))
    #expect(make()?.name(ofApp: Secret("a")) == name && other.name(ofApp: Secret("a")) != name)
  }

  @Test func `the first HS256 secret signs, wherever it stands, and without one there are no tokens`() throws {
    let keys = [secretKey(.HS512, "x"), secretKey(), secretKey(.HS256, "second")]
    let name = try #require(make()).name(ofApp: Secret("a"))
    #expect(make(keys)?.name(ofApp: Secret("a")) == name)
    #expect(make([secretKey(.HS384), keySet(#"{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}"#)]) == nil)
  }

  @Test
  func `a token is verified by the front's keys only, also after its end, and without it callers' tokens are refused`()
    throws
  {
    let tokens = try #require(make())
    let issued = tokens.issue(.access, to: "app", lifetime: .seconds(1), now: noon)
    let front = TokenVerifier(keys: tokens.keys, cacheCapacity: 4)
    for _ in 0..<2 {
      let principal = Array(issued.utf8).withUnsafeBufferPointer { try? front.principal(of: $0) }
      #expect(principal?.subject == "app" && principal?.roles == ["access"] && principal?.expiresAt == noon + 1)
    }
    #expect(verifier().check(issued).refusal == .signature)
    for other in [token(), token(claims: #"{"sub":"app","purpose":"access","aud":"webtalk-front","exp":1700003600}"#)] {
      let refusal = Array(other.utf8).withUnsafeBufferPointer { bytes -> Refusal? in
        do throws(Refusal) { _ = try front.principal(of: bytes) } catch { return error }
        return nil
      }
      #expect(refusal == .signature)
    }
  }

  @Test func `areEqualInConstantTime compares length and bytes`() {
    func areEqual(_ a: String, _ b: String) -> Bool {
      Array(a.utf8).withUnsafeBufferPointer { areEqualInConstantTime($0, Array(b.utf8)) }
    }
    #expect(areEqual("abc", "abc") && areEqual("", ""))
    #expect(!areEqual("abc", "abd") && !areEqual("abc", "ab") && !areEqual("", "a") && !areEqual("a\u{0}", "a"))
  }
}
