import Foundation
import Testing

@testable import Host

@Suite struct TimestampTests {
  private func text(_ milliseconds: Int64) -> String {
    var bytes: [UInt8] = []
    Timestamp.appendRFC3339(milliseconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(
    arguments: [
      (Int64(0), "1970-01-01T00:00:00.000Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (1_795_554_000_123, "2026-11-24T21:00:00.123Z"),
      (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ])
  func `dates follow the Gregorian calendar`(_ milliseconds: Int64, _ expected: String) {
    #expect(text(milliseconds) == expected)
  }

  @Test func `every day of five centuries is formatted as by Foundation`() throws {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    for day in Int64(0)..<190_000 where day % 37 == 0 || day % 365 < 4 {
      // Whole seconds, which a Date holds exactly.
      let seconds = day * 86_400 + day * 7 % 86_400
      #expect(text(seconds * 1000) == Date(timeIntervalSince1970: Double(seconds)).formatted(style))
    }
  }

  @Test func `a time out of range does not trap`() {
    #expect(text(.min) == "1970-01-01T00:00:00.000Z")
    #expect(text(.max) == "9999-12-31T23:59:59.999Z")
  }
}
