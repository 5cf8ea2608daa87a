import AdapterAPI
import COpenSSL
import Testing

@testable import Host

@Suite struct SignatureTests {
  /// A time before the `exp` of the examples in RFC 7515, which is 2011-03-22.
  private let spring2011: Int64 = 1_300_000_000
  private let exampleClaims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

  @Test func `HS256 verifies the example of RFC 7515 A.1`() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    let verifier = verifier([keySet(#"{"keys":[{"kty":"oct","alg":"HS256","k":"\#(secret)"}]}"#)], issuer: "joe")
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\(exampleClaims).dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    #expect(verifier.check(token, now: spring2011).principal?.expiresAt == 1_300_819_380)
    #expect(verifier.check(token).refusal == .expired)
  }

  @Test func `RS256 verifies the example of RFC 7515 A.2`() {
    let n =
      "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
      + "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB"
      + "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia"
      + "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    let signature =
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9"
      + "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB"
      + "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
      + "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    let verifier = verifier([keySet(#"{"keys":[{"kty":"RSA","n":"\#(n)","e":"AQAB"}]}"#)])
    #expect(verifier.check("eyJhbGciOiJSUzI1NiJ9.\(exampleClaims).\(signature)", now: spring2011).principal != nil)
  }

  @Test func `ES256 verifies the example of RFC 7515 A.3`() {
    let set = """
      {"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
      """
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    let verifier = verifier([keySet(set)])
    #expect(verifier.check("eyJhbGciOiJFUzI1NiJ9.\(exampleClaims).\(signature)", now: spring2011).principal != nil)
  }

  @Test func `ES512, as in RFC 7515 A.4, is refused as not supported`() {
    let verifier = verifier([pemKey(.ES256, SigningKey.p256.publicPEM)])
    let signature = Base64URL.encode([UInt8](repeating: 1, count: 132))
    #expect(verifier.check("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.\(signature)").refusal == .algorithm)
  }

  @Test func `EdDSA verifies the example of RFC 8037 A.4, whose payload is refused as claims`() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    let keys = ring([keySet(#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"\#(x)"}]}"#)]).ring!
    let input = Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)
    let text = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    var signature = Base64URL.decode(text)!
    #expect(verify(keys, input, signature))
    signature[63] ^= 1
    #expect(!verify(keys, input, signature))
    let whole = String(decoding: input, as: UTF8.self) + "." + text
    #expect(TokenVerifier(keys: keys, cacheCapacity: 0).check(whole).refusal == .claims)
  }

  private func verify(_ keys: KeyRing, _ input: [UInt8], _ signature: [UInt8]) -> Bool {
    let verifier = SignatureVerifier(keys: keys)
    return input.withUnsafeBufferPointer { input in
      signature.withUnsafeBufferPointer { verifier.verify(key: 0, input: input, signature: $0) }
    }
  }

  @Test(arguments: JWTAlgorithm.allCases)
  func `each algorithm accepts its signatures repeatedly and refuses every change of them`(_ algorithm: JWTAlgorithm) {
    let key: SigningKey? =
      switch algorithm {
      case .HS256, .HS384, .HS512: nil
      case .RS256, .PS256: .rsa
      case .ES256: .p256
      case .EdDSA: .ed25519
      }
    let long = goodSecret + goodSecret
    let configured = key.map { pemKey(algorithm, $0.publicPEM) } ?? secretKey(algorithm, long)
    let sign = { (input: [UInt8]) in key?.sign(input, algorithm) ?? hmac(Array(long.utf8), input, algorithm) }
    let verifier = verifier([configured], cache: 0)
    for round in 0..<20 {
      let claims = #"{"sub":"u\#(round)","exp":1700003600}"#
      let good = token(header: #"{"alg":"\#(algorithm.rawValue)"}"#, claims: claims, sign: sign)
      #expect(verifier.check(good).principal?.subject == "u\(round)")

      for change in [{ $0.dropLast() }, { $0 + [0] }, { [0] + $0 }, { [] + $0.dropFirst() }] as [([UInt8]) -> [UInt8]] {
        let bad = token(header: #"{"alg":"\#(algorithm.rawValue)"}"#, claims: claims) { change(sign($0)) }
        #expect(verifier.check(bad).refusal == .signature)
      }
      let bit = token(header: #"{"alg":"\#(algorithm.rawValue)"}"#, claims: claims) { input in
        var signature = sign(input)
        signature[round % signature.count] ^= 1 << UInt8(round % 8)
        return signature
      }
      #expect(verifier.check(bit).refusal == .signature)
      #expect(verifier.check(good).principal != nil, "a refusal must not spoil the contexts")
    }
  }

  @Test func `PS256 requires a salt as long as the digest`() {
    let verifier = verifier([pemKey(.PS256, SigningKey.rsa.publicPEM)])
    for (length, isGood) in [(32, true), (0, false), (20, false), (64, false)] as [(Int32, Bool)] {
      let made = token(header: #"{"alg":"PS256"}"#) { SigningKey.rsa.sign($0, .PS256, saltLength: length) }
      #expect((verifier.check(made).principal != nil) == isGood, "salt of \(length)")
    }
  }

  @Test func `ES256 refuses zeros, the curve's order and DER as signatures`() {
    let verifier = verifier([pemKey(.ES256, SigningKey.p256.publicPEM)])
    let order: [UInt8] = Base64URL.decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE")!
    let zero = [UInt8](repeating: 0, count: 32)
    let full = [UInt8](repeating: 0xff, count: 32)
    let one: [UInt8] = zero.dropLast() + [1]
    for (r, s) in [(zero, zero), (order, order), (order, zero), (full, full), (one, zero), (zero, one), (one, one)]
      as [([UInt8], [UInt8])]
    {
      #expect(verifier.check(token(header: #"{"alg":"ES256"}"#) { _ in r + s }).refusal == .signature)
    }
    let der = token(header: #"{"alg":"ES256"}"#) { _ in [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01] }
    #expect(verifier.check(der).refusal == .signature)
  }

  @Test(arguments: JWTAlgorithm.allCases)
  func `a refusal leaves the thread's OpenSSL error queue empty`(_ algorithm: JWTAlgorithm) {
    let keys = [
      secretKey(), secretKey(.HS384), secretKey(.HS512), pemKey(.RS256, SigningKey.rsa.publicPEM),
      pemKey(.PS256, SigningKey.rsa.publicPEM), pemKey(.ES256, SigningKey.p256.publicPEM),
      pemKey(.EdDSA, SigningKey.ed25519.publicPEM),
    ]
    let verifier = verifier(keys)
    ERR_clear_error()
    for length in [32, 48, 64, 256] {
      let bad = token(header: #"{"alg":"\#(algorithm.rawValue)"}"#) { _ in [UInt8](repeating: 0x5a, count: length) }
      #expect(verifier.check(bad).refusal == .signature)
      #expect(ERR_peek_error() == 0)
    }
    _ = ring([pemKey(.RS256, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")])
    #expect(ERR_peek_error() == 0)
  }
}
