import AdapterAPI
import Foundation
import Testing

@Suite("JSON: values")
struct JSONValueTests {
  @Test(arguments: JSONTables.valid)
  func `a valid object is parsed as Foundation parses it`(_ text: String) throws {
    let value = try JSONValue(parsing: Array(text.utf8))
    // Foundation refuses lone surrogates and infinite numbers.
    guard !text.contains("\\ud80"), !text.contains("\\udc00"), !text.contains("e400") else { return }
    let ours = try JSONSerialization.jsonObject(with: Data(value.serialized)) as? NSDictionary
    let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary
    #expect(ours != nil)
    #expect(ours == theirs)
  }

  @Test(arguments: JSONTables.invalid.filter { $0.fault != "duplicateKey" && $0.fault != "notAnObject" })
  func `an invalid text is refused with the problem that JSONShape reports`(_ text: String, _ fault: String) {
    #expect {
      _ = try JSONValue(parsing: Array(text.utf8))
    } throws: { error in (error as? JSONShape.Problem).map { "\($0.fault)" } == fault }
  }

  @Test func `serializing a parsed value keeps the text of numbers and the order of members`() throws {
    let text = #"{"z":12345678901234567890.12300,"a":-0,"m":[1E+2,1.0]}"#
    #expect(String(decoding: try JSONValue(parsing: Array(text.utf8)).serialized, as: UTF8.self) == text)
  }

  @Test func `serialized strings are parsed back unchanged`() throws {
    let all = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) })) + "\"\\/😀\u{2028}"
    let bytes = JSONValue.object([.init(all, .string(all))]).serialized
    #expect(JSONShape.check(bytes) == nil)
    #expect(try JSONValue(parsing: bytes) == .object([.init(all, .string(all))]))
  }

  @Test func `parsing a lone surrogate gives the replacement character`() throws {
    let value = try JSONValue(parsing: Array(#"["\ud800","a\udc00b"]"#.utf8))
    #expect(value.array?.allSatisfy { $0.string?.contains("\u{fffd}") == true } == true)
  }

  @Test func `parsing refuses a million nested arrays without exhausting the stack`() {
    let text = String(repeating: "[", count: 1_000_000)
    #expect { _ = try JSONValue(parsing: Array(text.utf8)) } throws: { ($0 as? JSONShape.Problem)?.fault == .depth }
  }

  @Test(arguments: [
    (18.5, "18.5"), (1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (1e20, "1e+20"), (123_456_789_012, "123456789012"),
    (1e-7, "1e-07"),
    (.infinity, "null"), (.nan, "null"),
  ])
  func `JSONWriter writes numbers short and always as valid JSON`(_ number: Double, _ text: String) {
    var writer = JSONWriter()
    writer.number(number)
    #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    #expect((try? JSONValue(parsing: writer.bytes)) != nil)
  }

  @Test func `JSONWriter writes nested objects, arrays and null with commas between them`() {
    let text = JSONWriter.object { json in
      json.member("code", 200)
      json.member("none", nil as String?)
      json.member("flag", true)
      json.member("texts", ["a", "b"])
      json.member("objects", arrayOf: [1, 2]) { json, number in json.object { $0.member("n", number) } }
      json.key("empty")
      json.object { _ in }
      json.key("value")
      json.value(.array([.null, .number("1.0")]))
    }
    #expect(
      String(decoding: text, as: UTF8.self)
        == #"{"code":200,"none":null,"flag":true,"texts":["a","b"],"objects":[{"n":1},{"n":2}],"empty":{},"#
        + #""value":[null,1.0]}"#)
  }

  @Test func `JSONWriter cuts a text at its limit and appends to existing bytes`() {
    var bytes = Array("data: ".utf8)
    JSONWriter.append(to: &bytes) { json in
      json.array(of: ["abcdef", "\u{1b}\u{7f}"]) { $0.string($1, limit: 3) }
    }
    #expect(String(decoding: bytes, as: UTF8.self) == #"data: ["abc…","\u001b\u007f"]"#)
  }

  @Test func `a parsed value is never longer when serialized than it was`() throws {
    let text = #"{"\u007f\u2028":"\b\f\u0001"}"#.replacing(#"\u007f"#, with: "\u{7f}").replacing(
      #"\u2028"#, with: "\u{2028}")
    #expect(String(decoding: try JSONValue(parsing: Array(text.utf8)).serialized, as: UTF8.self) == text)
  }
}
