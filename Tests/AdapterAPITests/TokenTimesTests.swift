import AdapterAPI
import Testing

@Suite struct TokenTimesTests {
  private func times(_ claims: String) -> TokenTimes? {
    TokenTimes(of: "e30.\(Base64URL.encode(Array(claims.utf8))).c2ln")
  }

  @Test(
    arguments: [
      (#"{"iat":1000,"exp":8200}"#, 1_000_000, 8_200_000, 7_200_000), (#"{"exp":8200}"#, nil, 8_200_000, nil),
      (#"{"iat":1000.5,"exp":8200.25}"#, 1_000_500, 8_200_250, 7_199_750),
      (#"{"iat":"1000","exp":"8200"}"#, 1_000_000, 8_200_000, 7_200_000),
      (#"{"iat":1e3,"exp":8.2e3}"#, 1_000_000, 8_200_000, 7_200_000),
      // A token that ends before, or when, it was issued does not state its lifetime.
      (#"{"iat":8200,"exp":1000}"#, 8_200_000, 1_000_000, nil),
      (#"{"iat":1000,"exp":1000}"#, 1_000_000, 1_000_000, nil),
      // A time of issue that can't be read is none.
      (#"{"iat":null,"exp":1}"#, nil, 1000, nil), (#"{"iat":"yesterday","exp":1}"#, nil, 1000, nil),
      (#"{"iat":-5,"exp":1}"#, nil, 1000, nil), (#"{"iat":1e300,"exp":1}"#, nil, 1000, nil),
      (#"{"iat":"0x10","exp":1}"#, nil, 1000, nil), (#"{"iat":"nan","exp":1}"#, nil, 1000, nil),
      (#"{"iat":true,"exp":1}"#, nil, 1000, nil),
    ] as [(String, Int64?, Int64, Int64?)])
  func `a JWT's times are read, whatever the form of the numbers`(
    _ claims: String, _ issuedAt: Int64?, _ expiresAt: Int64, _ lifetime: Int64?
  ) throws {
    let times = try #require(self.times(claims))
    #expect(times.issuedAt == issuedAt)
    #expect(times.expiresAt == expiresAt)
    #expect(times.lifetime == lifetime)
  }

  @Test(arguments: [
    "{}", #"{"iat":1}"#, #"{"exp":null}"#, #"{"exp":"soon"}"#, #"{"exp":-1}"#, #"{"exp":1e12}"#, #"{"exp":1e999}"#,
    #"{"exp":[1]}"#, "[1]", "no JSON", "",
  ])
  func `a JWT without an end that can be read has no times`(_ claims: String) {
    #expect(times(claims) == nil)
  }

  @Test(arguments: ["", "opaque", "a.b", "a.!!!.c", "a.e30.c.d", ".."])
  func `a token that is no JWT has no times`(_ token: String) {
    #expect(TokenTimes(of: token) == nil)
  }
}
