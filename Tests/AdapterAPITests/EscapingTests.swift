import Foundation
import Testing

@testable import AdapterAPI

@Suite struct EscapingTests {
  static let table: [(bytes: [UInt8], escaped: String)] = [
    (Array("plain /path".utf8), "plain /path"),
    (Array("say \"no\" \\".utf8), #"say \"no\" \\"#),
    ([0x0A, 0x0D, 0x09], #"\n\r\t"#),
    ([0x00, 0x1B, 0x1F, 0x7F], #"\u0000\u001b\u001f\u007f"#),
    ([0xC2, 0x85, 0xC2, 0x9F, 0xC2, 0xA0], "\\u0085\\u009f\u{A0}"),
    (Array("\u{2028}\u{2029}\u{202A}".utf8), "\\u2028\\u2029\u{202A}"),
    (Array("ü 温度 🌡".utf8), "ü 温度 🌡"),
    ([0x80], "\u{FFFD}"),
    ([0xC0, 0xAF], "\u{FFFD}\u{FFFD}"),
    ([0xE2, 0x82], "\u{FFFD}"),
    ([0xE2, 0x82, 0x41], "\u{FFFD}A"),
    ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
    ([0xF0, 0x9F, 0x8C], "\u{FFFD}"),
    ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
    ([0xFF, 0x41], "\u{FFFD}A"),
  ]

  private func escape(_ bytes: [UInt8], limit: Int = .max) -> String {
    var out: [UInt8] = []
    bytes.withUnsafeBufferPointer { Escaping.append($0, limit: limit, to: &out) }
    return String(decoding: out, as: UTF8.self)
  }

  @Test(arguments: table) func `control characters are escaped and invalid UTF-8 is replaced`(
    _ entry: (bytes: [UInt8], escaped: String)
  ) {
    #expect(escape(entry.bytes) == entry.escaped)
  }

  @Test func `any bytes become a JSON string that a JSON parser decodes as Swift does`() throws {
    var generator = SystemRandomNumberGenerator()
    let pool: [UInt8] = [
      0x00, 0x0A, 0x22, 0x41, 0x5C, 0x7F, 0x80, 0xA0, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xFF,
    ]
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in pool.randomElement(using: &generator) ?? 0
      }
      let json = Data("[\"\(escape(bytes))\"]".utf8)
      let parsed = try JSONSerialization.jsonObject(with: json) as? [String]
      #expect(parsed == [String(decoding: bytes, as: UTF8.self)], "\(bytes)")
    }
  }

  @Test func `a long value is cut between characters and ends in an ellipsis`() {
    #expect(escape(Array("abcdef".utf8), limit: 6) == "abcdef")
    #expect(escape(Array("abcdef".utf8), limit: 5) == "abcde…")
    #expect(escape(Array("abü".utf8), limit: 3) == "ab…")
  }
}
