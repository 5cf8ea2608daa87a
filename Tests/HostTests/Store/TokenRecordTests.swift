import AdapterAPI
import Testing

@testable import Host

/// The rules for one row, without a database.
@Suite struct TokenRecordTests {
  private let record = TokenRecord(
    id: 1, adapter: "main", upstream: TokenKey.main.upstream, access: "a", refresh: "r", expiresAt: 9000, version: 3,
    lifetime: 5000, updatedAt: 4000, now: 10_000)

  private func leased(until: Int64?, by holder: String? = "b") -> TokenRecord {
    var record = record
    (record.leaseHolder, record.leaseUntil) = (holder, until)
    return record
  }

  @Test func `a lease is valid until its end, and a longer one than allowed is ignored`() {
    #expect(leased(until: 10_001).leaseLeft == 1)
    #expect(leased(until: 10_000).leaseLeft == 0)
    #expect(leased(until: 10_000 + TokenRecord.longestLease).leaseLeft == TokenRecord.longestLease)
    #expect(leased(until: 10_001 + TokenRecord.longestLease).leaseLeft == 0)
    for odd in [Int64.min, .max, 0, -1] { #expect(leased(until: odd).leaseLeft == 0) }
    #expect(leased(until: nil).leaseLeft == 0)
    #expect(leased(until: 10_001, by: nil).leaseLeft == 0)
  }

  @Test func `extreme clock values do not overflow`() {
    var record = leased(until: .max)
    record.now = .min
    #expect(record.leaseLeft == 0)
    record.expiresAt = .min
    record.updatedAt = .max
    record.lifetime = nil
    #expect(record.pair?.token.lifetime == 0)
  }

  /// Returns the pair of a row that another program wrote.
  private func takenOver(
    _ claims: String? = nil, expiresAt: Int64 = 9000, updatedAt: Int64? = nil, lifetime: Int64? = nil
  ) -> Token? {
    var record = record
    record.access = claims.map { "e30.\(Base64URL.encode(Array($0.utf8))).c2ln" } ?? "opaque"
    (record.expiresAt, record.updatedAt, record.lifetime) = (expiresAt, updatedAt, lifetime)
    return record.pair?.token
  }

  @Test func `a lifetime that the row does not record is the one that the token states`() {
    #expect(takenOver(#"{"iat":2,"exp":9}"#)?.lifetime == 7000)
    #expect(takenOver(#"{"iat":2,"exp":9}"#, updatedAt: 8000)?.lifetime == 7000)
    #expect(takenOver(#"{"iat":2,"exp":9}"#, lifetime: -5)?.lifetime == -5)
    #expect(takenOver(#"{"iat":2,"exp":9}"#, lifetime: 5000)?.lifetime == 5000)
  }

  @Test(arguments: [nil, #"{"exp":9}"#, #"{"iat":9,"exp":9}"#, #"{"iat":12,"exp":9}"#, "no JSON"])
  func `a lifetime that the token does not state is the validity when the row was written, or else unknown`(
    claims: String?
  ) {
    #expect(takenOver(claims, updatedAt: 4000)?.lifetime == 5000)
    #expect(takenOver(claims, updatedAt: 9000)?.lifetime == 0)
    #expect(takenOver(claims)?.lifetime == 0)
  }

  @Test func `of the row's end and the token's own end the earlier one holds`() {
    #expect(takenOver(#"{"iat":2,"exp":9}"#, expiresAt: 8000)?.expiresAt == 8000)
    #expect(takenOver(#"{"iat":2,"exp":9}"#, expiresAt: 10_000)?.expiresAt == 9000)
    #expect(takenOver(#"{"exp":9}"#, expiresAt: 10_000)?.expiresAt == 9000)
    #expect(takenOver(expiresAt: 10_000)?.expiresAt == 10_000)
    // A row of the gateway's own has the end by the gateway's clock.
    #expect(takenOver(#"{"iat":2,"exp":9}"#, expiresAt: 10_000, lifetime: 7000)?.expiresAt == 10_000)
  }

  @Test func `a row with an empty or invalid access token has no pair`() {
    var record = record
    record.access = ""
    #expect(record.pair == nil)
    #expect(record.claim(.main, holder: "a", seen: nil) == .granted)
    #expect(record.refusal(.main, holder: "a", replacing: nil) == nil)
    record.access = "a b"
    #expect(record.pair == nil)
  }

  @Test func `claim and save depend on the pair, the lease and the upstream`() throws {
    let pair = try #require(record.pair)
    let older = StoredPair(token: pair.token, version: 2)
    #expect(record.claim(.main, holder: "a", seen: pair) == .granted)
    #expect(record.claim(.main, holder: "a", seen: older) == .changed(pair))
    #expect(record.claim(.main, holder: "a", seen: nil) == .changed(pair))
    #expect(record.claim(.elsewhere, holder: "a", seen: nil) == .granted)
    #expect(record.refusal(.main, holder: "a", replacing: pair) == nil)
    #expect(record.refusal(.main, holder: "a", replacing: older) == .lost(pair))
    #expect(record.refusal(.elsewhere, holder: "a", replacing: nil) == nil)
    let held = leased(until: 10_700)
    #expect(held.claim(.main, holder: "a", seen: pair) == .held(.milliseconds(700)))
    #expect(held.claim(.main, holder: "a", seen: older) == .changed(pair))
    #expect(held.claim(.main, holder: "b", seen: pair) == .granted)
    #expect(held.refusal(.main, holder: "a", replacing: older) == .leased(.milliseconds(700)))
    #expect(held.refusal(.main, holder: "b", replacing: pair) == nil)
    #expect(held.refusal(.elsewhere, holder: "a", replacing: nil) == .leased(.milliseconds(700)))
  }

  @Test func `versions increase, and restart after the largest number`() throws {
    let pair = try #require(record.pair)
    #expect(TokenRecord.version(after: nil, nil) == 1)
    #expect(TokenRecord.version(after: record, nil) == 4)
    #expect(TokenRecord.version(after: record, StoredPair(token: pair.token, version: 8)) == 9)
    #expect(TokenRecord.version(after: nil, StoredPair(token: pair.token, version: .max)) == 1)
  }
}
