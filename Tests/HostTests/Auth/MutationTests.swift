import AdapterAPI
import TestSupport
import Testing

@testable import Host

/// Random changes of good tokens.
@Suite struct MutationTests {
  @Test(arguments: [false, true])
  func `a mutated token text is never accepted`(cached: Bool) {
    var random = SeededGenerator(seed: 42)
    let verifier = verifier(cache: cached ? 100 : 0)
    let good = Array("Bearer \(token(claims: #"{"sub":"Zo\u00eb","role":["a","b"],"nbf":1,"exp":1700003600}"#))".utf8)
    #expect(verifier.check(header: good).principal != nil)
    for round in 0..<20_000 {
      var bad = good
      for _ in 0...Int.random(in: 0..<3, using: &random) { mutate(&bad, from: 7, &random) }
      guard bad != good else { continue }
      guard verifier.check(header: bad).principal != nil else { continue }
      // More spaces after the scheme are allowed.
      let sameToken = bad.drop { $0 != UInt8(ascii: " ") }.drop { $0 == UInt8(ascii: " ") }.elementsEqual(
        good.dropFirst(7))
      #expect(sameToken, "round \(round): \(String(decoding: bad, as: UTF8.self))")
    }
    #expect(verifier.check(header: good).principal != nil)
  }

  @Test func `mutated header and claims with a good signature never crash, and accepted ones have a future 'exp'`() {
    var random = SeededGenerator(seed: 7)
    let verifier = verifier(issuer: "i", audience: "a", cache: 50)
    let header = Array(#"{"alg":"HS256","typ":"JWT","kid":"k","x":[1,{"y":null}]}"#.utf8)
    let claims = Array(
      #"{"iss":"i","aud":["a","b"],"sub":"\u0041\ud83d\ude00","role":["r",""],"nbf":1.5e3,"exp":1.7e10,"z":[{"q":-1}]}"#
        .utf8)
    var accepted = 0
    for _ in 0..<20_000 {
      var (damagedHeader, damagedClaims) = (header, claims)
      if Bool.random(using: &random) { mutate(&damagedHeader, from: 0, &random) }
      mutate(&damagedClaims, from: 0, &random)
      let input = Base64URL.encode(damagedHeader) + "." + Base64URL.encode(damagedClaims)
      let made = input + "." + Base64URL.encode(hmac(Array(goodSecret.utf8), Array(input.utf8)))
      guard let principal = verifier.check(made).principal else { continue }
      accepted += 1
      #expect(principal.expiresAt + 30 > noon)
      #expect(!principal.roles.contains(""))
    }
    #expect(accepted > 0, "some changes leave a good token")
  }

  @Test func `random bytes are refused`() {
    var random = SeededGenerator(seed: 99)
    let verifier = verifier()
    for _ in 0..<5000 {
      let noise = (0..<Int.random(in: 0..<300, using: &random)).map { _ in
        UInt8.random(in: .min ... .max, using: &random)
      }
      #expect(verifier.check(header: noise).principal == nil)
      #expect(verifier.check(header: Array("Bearer ".utf8) + noise).principal == nil)
      let input = Base64URL.encode(noise) + "." + Base64URL.encode(noise)
      #expect(verifier.check(input + "." + Base64URL.encode(noise)).principal == nil)
    }
  }

  private func mutate(_ bytes: inout [UInt8], from start: Int, _ random: inout SeededGenerator) {
    guard bytes.count > start else { return }
    let index = Int.random(in: start..<bytes.count, using: &random)
    let alphabet = Array("ABab01-_.=+/ \"{}[]:,\\".utf8)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[index] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
    case 2: bytes.remove(at: index)
    case 3: bytes.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &random)], at: index)
    case 4: bytes.removeSubrange(index...)
    case 5: bytes.append(contentsOf: bytes[index...].prefix(40))
    default: bytes.swapAt(index, Int.random(in: start..<bytes.count, using: &random))
    }
  }
}
