import Foundation
import Testing

@testable import AdapterAPI

@Suite("Points: times")
struct PointTimeTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", Int64(0), PointTime.Style.offset(0, zulu: true)),
    ("2026-06-20T10:00:00+02:00", 1_781_942_400, .offset(7200, zulu: false)),
    ("2026-06-20t10:00:00.999z", 1_781_949_600, .offset(0, zulu: true)),
    ("2026-06-20 10:00:00-05:30", 1_781_969_400, .offset(-19800, zulu: false)),
    ("2024-02-29T23:59:59Z", 1_709_251_199, .offset(0, zulu: true)),
    ("0001-01-01T00:00:00Z", -62_135_596_800, .offset(0, zulu: true)),
    ("9999-12-31T23:59:59Z", 253_402_300_799, .offset(0, zulu: true)),
  ])
  func `parse reads RFC 3339 with the style of its offset`(_ text: String, _ seconds: Int64, _ style: PointTime.Style)
    throws
  {
    let parsed = try #require(PointTime.parse(text))
    #expect(parsed.time.seconds == seconds)
    #expect(parsed.style == style)
  }

  @Test(arguments: [
    "", "2026-06-20", "2026-06-20 00:00", "2026-06-20T00:00:00", "2026-6-20 00:00:00", "2026-06-20  0:00:00",
    "2026-13-01 00:00:00",
    "2026-00-01 00:00:00", "2026-02-29 00:00:00", "2100-02-29 00:00:00", "2026-04-31 00:00:00", "2026-06-00 00:00:00",
    "2026-06-20 24:00:00", "2026-06-20 00:60:00", "2026-06-20 00:00:60", "0000-01-01 00:00:00", "2026-06-20 00:00:00 ",
    " 2026-06-20 00:00:00", "2026-06-20T00:00:00+0200", "2026-06-20T00:00:00+02", "2026-06-20T00:00:00+24:00",
    "2026-06-20T00:00:00.Z",
    "2026-06-20T00:00:00Zx", "2026/06/20 00:00:00", "2026-06-20x00:00:00Z", "+026-06-20 00:00:00",
    "２026-06-20 00:00:00",
    "2026-06-20T00:00:00." + String(repeating: "0", count: 100_000) + "Z",
  ])
  func `parse returns nil for any other text`(_ text: String) {
    #expect(PointTime.parse(text) == nil)
  }

  @Test func `a local time is written as it was read`() throws {
    var writer = PointTimeWriter(.local)
    for text in ["2026-01-15 00:00:00", "2026-06-20 12:34:56", "1999-12-31 23:59:59", "2024-02-29 06:00:00"] {
      let parsed = try #require(PointTime.parse(text))
      #expect(parsed.style == .local)
      #expect(writer.text(parsed.time) == text)
    }
  }

  @Test(arguments: [
    "2026-06-20T10:00:00Z", "2026-06-20T10:00:00+05:45", "2026-01-01T00:00:00-03:30", "2026-01-01T00:00:00+00:00",
  ])
  func `a time in RFC 3339 is written with the offset that it was read with`(_ text: String) throws {
    let parsed = try #require(PointTime.parse(text))
    var writer = PointTimeWriter(parsed.style)
    #expect(writer.text(parsed.time) == text)
  }

  @Test func `CivilDate agrees with Foundation's calendar`() throws {
    var utc = Calendar(identifier: .gregorian)
    utc.timeZone = try #require(TimeZone(secondsFromGMT: 0))
    for day in stride(from: Int64(-100_000), to: 100_000, by: 97) {
      let ours = CivilDate(daysSinceEpoch: day)
      #expect(ours.daysSinceEpoch == day)
      // Foundation uses the Julian calendar before 1582, which no tested day is.
      let theirs = utc.dateComponents([.year, .month, .day], from: Date(timeIntervalSince1970: Double(day) * 86400))
      #expect(theirs.year == ours.year && theirs.month == ours.month && theirs.day == ours.day)
    }
  }

  @Test func `LocalZone agrees with the system through a year of clock changes`() {
    var zone = LocalZone()
    for time in stride(from: Int64(1_767_225_600), to: 1_798_761_600, by: 7001) {
      #expect(zone.offset(at: PointTime(seconds: time)) == PointTime(seconds: time).localOffset)
    }
  }
}
