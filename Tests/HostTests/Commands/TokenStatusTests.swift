import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct TokenStatusTests {
  private static let now: Int64 = 1_764_000_000_000
  private static let main = TokenStatus.Adapter(name: "main", upstream: "webtalk http://192.0.2.1")

  private func row(
    adapter: String? = "main", upstream: String? = "webtalk http://192.0.2.1", endsIn: Int64? = 3_600_000,
    updatedBy: String? = "host:1", isLeased: Bool = false
  ) -> TokenRow {
    TokenRow(
      adapter: adapter, upstream: upstream, expiresAt: endsIn.map { Self.now + $0 }, updatedAt: Self.now - 65_000,
      updatedBy: updatedBy, version: 7, isLeased: isLeased, fingerprint: endsIn == nil ? nil : "0badcafe")
  }

  private func status(_ rows: [TokenRow]) -> TokenStatus { TokenStatus([Self.main], rows, now: Self.now) }

  @Test func `the row of a good token is printed with all its columns`() {
    let lines = status([row()]).text.split(separator: "\n")
    #expect(lines.count == 2)
    let words = lines[1].split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    #expect(
      words
        == "main good 2025-11-24T17:00:00.000Z in 1 h 1 min 5 s 7 host:1 0badcafe webtalk http://192.0.2.1")
  }

  @Test func `each state of a stored token has its name`() {
    #expect(status([]).entries.map(\.state) == [.none])
    #expect(status([row(endsIn: nil)]).entries.map(\.state) == [.none])
    #expect(status([row(endsIn: 0)]).entries.map(\.state) == [.ended])
    #expect(status([row(upstream: "webtalk http://192.0.2.2")]).entries.map(\.state) == [.otherUpstream])
    #expect(status([row(upstream: nil)]).entries.map(\.state) == [.otherUpstream])
    #expect(status([row(adapter: "old")]).entries.map(\.state) == [.none, .notConfigured])
    #expect(status([row(adapter: nil)]).text.contains("(none named)"))
    #expect(status([row(isLeased: true)]).text.contains("good, being renewed"))
  }

  @Test func `the entries are written as JSON, with null for unknown values`() throws {
    let status = status([row(isLeased: true), row(adapter: nil, upstream: nil, updatedBy: nil)])
    var writer = JSONWriter()
    writer.array(of: status.entries, status.write)
    let items = try #require(JSONSerialization.jsonObject(with: Data(writer.bytes)) as? [[String: Any]])
    #expect(items.count == 2)
    #expect(items[0]["adapter"] as? String == "main" && items[0]["state"] as? String == "good")
    #expect(items[0]["expiresAt"] as? String == "2025-11-24T17:00:00.000Z")
    #expect(items[0]["ageMs"] as? Int == 65_000 && items[0]["version"] as? Int == 7)
    #expect(items[0]["leased"] as? Bool == true && items[0]["fingerprint"] as? String == "0badcafe")
    #expect(items[1]["adapter"] is NSNull && items[1]["updatedBy"] is NSNull && items[1]["upstream"] is NSNull)
  }

  @Test func `hostile text and extreme numbers in a row are printed without control characters`() {
    let hostile = TokenRow(
      adapter: "main", upstream: "\u{1b}]0;x\u{7}", expiresAt: .min, updatedAt: .max, updatedBy: "a\nb\u{202e}",
      version: .max, isLeased: false, fingerprint: "0")
    let text = status([hostile]).text
    #expect(text.split(separator: "\n").count == 2 && !text.contains("\u{1b}") && !text.contains("\u{7}"))
    #expect(status([row(endsIn: .max - Self.now)]).text.contains(" d"))
  }

  @Test(arguments: [
    (0, "0 s"), (999, "0 s"), (-12_000, "12 s"), (60_000, "1 min"), (3_661_000, "1 h 1 min"), (7_200_000, "2 h"),
    (86_400_000, "1 d"), (90_000_000, "1 d 1 h"), (86_461_000, "1 d"),
  ])
  func `a duration is printed with its two largest units`(milliseconds: Int64, text: String) {
    #expect(TimeSpan.text(milliseconds) == text)
  }

  @Test func `a point in time is printed relative to now, and as RFC 3339`() {
    #expect(TimeSpan.relative(65_000, to: 0) == "in 1 min 5 s")
    #expect(TimeSpan.relative(0, to: 65_000) == "1 min 5 s ago")
    #expect(TimeSpan.relative(.min, to: .max) == "a very long time ago")
    #expect(TimeSpan.relative(.max, to: -1) == "in a very long time")
    #expect(TimeSpan.rfc3339(1_764_003_600_000) == "2025-11-24T17:00:00.000Z")
  }
}
