import AdapterAPI
import Foundation
import Testing

@Suite("JSON: values")
struct JSONValueTests {
  @Test(arguments: JSONTables.valid)
  func `what the shape check accepts is parsed, and means what Foundation says`(_ text: String) throws {
    let value = try JSONValue(parsing: Array(text.utf8))
    // Lone surrogates and infinite numbers are where Foundation refuses.
    guard !text.contains("\\ud80"), !text.contains("\\udc00"), !text.contains("e400") else { return }
    let ours = try JSONSerialization.jsonObject(with: Data(value.serialized)) as? NSDictionary
    let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
    #expect(ours != nil)
    #expect(ours == theirs)
  }

  @Test(arguments: JSONTables.invalid.filter { $0.fault != "duplicateKey" && $0.fault != "notAnObject" })
  func `what the shape check refuses is refused with the same reason`(_ text: String, _ fault: String) {
    #expect {
      _ = try JSONValue(parsing: Array(text.utf8))
    } throws: { error in (error as? JSONShape.Problem).map { "\($0.fault)" } == fault }
  }

  @Test func `numbers keep their text and members their order`() throws {
    let text = #"{"z":12345678901234567890.12300,"a":-0,"m":[1E+2,1.0]}"#
    #expect(String(decoding: try JSONValue(parsing: Array(text.utf8)).serialized, as: UTF8.self) == text)
  }

  @Test func `strings are written so that they are read back`() throws {
    let all = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) })) + "\"\\/😀\u{2028}"
    let bytes = JSONValue.object([.init(all, .string(all))]).serialized
    #expect(JSONShape.check(bytes) == nil)
    #expect(try JSONValue(parsing: bytes) == .object([.init(all, .string(all))]))
  }

  @Test func `a lone surrogate becomes the replacement character and nothing breaks`() throws {
    let value = try JSONValue(parsing: Array(#"["\ud800","a\udc00b"]"#.utf8))
    #expect(value.array?.allSatisfy { $0.string?.contains("\u{fffd}") == true } == true)
  }

  @Test func `depth is limited, so that nesting cannot exhaust the stack`() {
    let text = String(repeating: "[", count: 1_000_000)
    #expect { _ = try JSONValue(parsing: Array(text.utf8)) } throws: { ($0 as? JSONShape.Problem)?.fault == .depth }
  }

  @Test(arguments: [
    (18.5, "18.5"), (1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (1e20, "1e+20"), (123_456_789_012, "123456789012"),
    (1e-7, "1e-07"),
    (.infinity, "null"), (.nan, "null"),
  ])
  func `numbers are written short and always as JSON`(_ number: Double, _ text: String) {
    var writer = JSONWriter()
    writer.number(number)
    #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    #expect((try? JSONValue(parsing: writer.bytes)) != nil)
  }
}
