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

  @Test func `a missing lifetime is the validity at the time of writing, or else the present one`() {
    var record = record
    record.lifetime = nil
    #expect(record.pair?.token.lifetime == 5000)
    record.updatedAt = nil
    #expect(record.pair?.token.lifetime == -1000)
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
