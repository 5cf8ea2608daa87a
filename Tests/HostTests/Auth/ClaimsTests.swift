import AdapterAPI
import Testing

@testable import Host

@Suite struct ClaimsTests {
  @Test func `'exp' is required and must be a number that fits in 64 bits`() {
    let verifier = verifier()
    for text in [
      "1700003600", "1700003600.5", "1.7000036e9", "17000036E+2", "170000360000e-2", "9223372036854774784",
      "4102444800000",
    ] {
      #expect(verifier.check(token(claims: #"{"exp":\#(text)}"#)).principal != nil, "\(text)")
    }
    for text in [
      #""1700003600""#, "null", "true", "[1700003600]", "{}", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e19",
      "+1700003600",
      "01700003600", "1700003600.", ".5", "1e", "0x65000000", "99999999999999999999", "1700003600 1",
    ] {
      #expect(verifier.check(token(claims: #"{"exp":\#(text)}"#)).refusal == .claims, "\(text)")
    }
    for text in ["0", "-1", "-0", "1699999969", "1e-400", "-9223372036854775808"] {
      #expect(verifier.check(token(claims: #"{"exp":\#(text)}"#)).refusal == .expired, "\(text)")
    }
    #expect(verifier.check(token(claims: #"{"sub":"u1"}"#)).refusal == .noExpiry)
    #expect(verifier.check(token(claims: "{}")).refusal == .noExpiry)
  }

  @Test(arguments: [0, 10])
  func `'exp' and 'nbf' are exact to the second, with leeway, with and without the cache`(cache: Int) {
    let verifier = verifier(leeway: .seconds(30), cache: cache)
    let made = token(claims: #"{"nbf":1700000000,"exp":1700000100}"#)
    for (now, refusal) in [
      (1_699_999_969, .notYetValid), (1_699_999_970, nil), (1_700_000_129, nil), (1_700_000_130, .expired),
      (1_700_000_129, nil),
      (1_699_999_969, .notYetValid), (Int64.max, .expired), (Int64.min, .notYetValid),
    ] as [(Int64, Refusal?)] {
      #expect(verifier.check(made, now: now).refusal == refusal, "at \(now)")
    }
    // `exp` is rounded down and `nbf` up.
    let fractions = token(claims: #"{"nbf":1700000000.1,"exp":1700000100.9}"#)
    #expect(verifier.check(fractions, now: 1_699_999_970).refusal == .notYetValid)
    #expect(verifier.check(fractions, now: 1_699_999_971).refusal == nil)
    #expect(verifier.check(fractions, now: 1_700_000_130).refusal == .expired)
    let extremes = token(claims: #"{"nbf":-9223372036854775808,"exp":9223372036854774784}"#)
    for now in [Int64.min, 0, noon, Int64.max - 2000] {
      #expect(verifier.check(extremes, now: now).refusal == nil, "at \(now)")
    }
  }

  @Test func `a registered claim of the wrong type leads to a refusal`() {
    let verifier = verifier()
    for claim in [
      #""nbf":"1""#, #""nbf":null"#, #""nbf":1e400"#, #""iat":"1""#, #""iat":{}"#, #""sub":1"#, #""sub":null"#,
      #""sub":["u1"]"#,
    ] {
      #expect(verifier.check(token(claims: #"{"exp":1700003600,\#(claim)}"#)).refusal == .claims, "\(claim)")
    }
    for claim in [#""iat":1800000000"#, #""sub":"""#, #""jti":7,"x":null"#, #""iss":5,"aud":{}"#] {
      #expect(verifier.check(token(claims: #"{"exp":1700003600,\#(claim)}"#)).principal != nil, "\(claim)")
    }
  }

  @Test func `claims that are not one strict JSON object are refused`() {
    let verifier = verifier()
    for text in [
      "null", "[]", "1", #"{"exp":1700003600}{}"#, #"{"exp":1700003600,"exp":1700003600}"#,
      #"{"exp":1700003600,"\u0065xp":1}"#,
      #"{"exp":1700003600,"a":1,"a":1}"#, #"{"exp":1700003600,}"#, #"{"exp" 1700003600}"#, #"{"exp":1700003600"#,
      #"{"exp":1700003600,"x":\#(String(repeating: "[", count: 16))\#(String(repeating: "]", count: 16))}"#,
      "{\"exp\":1700003600,\"x\":\"\u{1}\"}",
      #"{"exp":1700003600,"x":"\q"}"#, #"{"exp":1700003600,"x":"\udc00"}"#, #"{"exp":1700003600,"x":"\ud800\u0041"}"#,
    ] {
      #expect(verifier.check(token(claims: text)).refusal == .claims, "\(text)")
    }
    let nested = #"{"exp":1700003600,"x":\#(String(repeating: "[", count: 15))\#(String(repeating: "]", count: 15))}"#
    #expect(verifier.check(token(claims: nested)).principal != nil)
    // Invalid UTF-8: a lone continuation byte, an overlong slash, a surrogate, above U+10FFFF, a truncated sequence.
    for bytes in [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]] as [[UInt8]]
    {
      let claims = Array(#"{"exp":1700003600,"x":""#.utf8) + bytes + Array(#""}"#.utf8)
      let input = Base64URL.encode(#"{"alg":"HS256"}"#.utf8) + "." + Base64URL.encode(claims)
      let made = input + "." + Base64URL.encode(hmac(Array(goodSecret.utf8), Array(input.utf8)))
      #expect(verifier.check(made).refusal == .claims, "\(bytes)")
    }
    #expect(
      verifier.check(token(claims: #"{"exp":1700003600,"sub":"Zoë 😀 \ud83d\ude00\n"}"#)).principal?.subject
        == "Zoë 😀 😀\n")
  }

  @Test func `a duplicate name is found among hundreds of names`() {
    let names = (0..<600).map { #""n\#($0)":0"# }.joined(separator: ",")
    let verifier = verifier()
    #expect(verifier.check(token(claims: #"{"exp":1700003600,\#(names)}"#)).principal != nil)
    for again in [0, 15, 16, 599] {
      #expect(verifier.check(token(claims: #"{"exp":1700003600,\#(names),"n\#(again)":0}"#)).refusal == .claims)
    }
  }

  @Test func `issuer and audience are checked when they are configured`() {
    let verifier = verifier(issuer: "ecoctrl", audience: "pointgate")
    func check(_ claims: String) -> Refusal? {
      verifier.check(token(claims: #"{"exp":1700003600,\#(claims)}"#)).refusal
    }
    for (audiences, refusal) in [
      ([#""pointgate""#, #"["pointgate"]"#, #"["x","pointgate","y"]"#, #""point\u0067ate""#], nil),
      ([#""Pointgate""#, #""pointgate ""#, #""""#, "[]", #"["x"]"#, #""point""#], .audience),
      (["1", "{}", "null", #"["pointgate",1]"#, #"[["pointgate"]]"#], .claims),
    ] as [([String], Refusal?)] {
      for audience in audiences { #expect(check(#""iss":"ecoctrl","aud":\#(audience)"#) == refusal, "\(audience)") }
    }
    #expect(check(#""iss":"ecoctrl""#) == .audience)
    #expect(check(#""iss":"other","aud":"pointgate""#) == .issuer)
    #expect(check(#""aud":"pointgate""#) == .issuer)
    #expect(check(#""iss":["ecoctrl"],"aud":"pointgate""#) == .claims)
  }

  @Test(arguments: [
    (#""admin""#, ["admin"]), (#"["viewer","admin"]"#, ["viewer", "admin"]), (#""""#, []), (#"["",""]"#, []),
    (#"[["admin"]]"#, []),
    (#"["admin",1]"#, []), ("1", []), (#"{"admin":true}"#, []), ("null", []), ("true", []), ("[]", []),
    (#""viewer,admin""#, ["viewer,admin"]),
  ])
  func `roles are a string or an array of strings, and other values give no roles`(claim: String, expected: [String]) {
    #expect(verifier().check(token(claims: #"{"exp":1700003600,"role":\#(claim)}"#)).principal?.roles == expected)
  }

  @Test func `roles come from the configured claim only`() {
    let claims = #"{"exp":1700003600,"roles":["admin"],"scope":"admin","Role":"admin"}"#
    #expect(verifier().check(token(claims: claims)).principal?.roles == [])
    #expect(verifier(rolesClaim: "roles").check(token(claims: claims)).principal?.roles == ["admin"])
    #expect(
      verifier(rolesClaim: "sub").check(token(claims: #"{"exp":1700003600,"sub":"u1"}"#)).principal?.roles == ["u1"])
    #expect(verifier(rolesClaim: "role").check(token(claims: #"{"exp":1700003600,"role":[tru]}"#)).refusal == .claims)
  }
}
