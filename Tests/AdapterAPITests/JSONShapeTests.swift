import AdapterAPI
import Testing

@Suite("JSON: the shape of a body")
struct JSONShapeTests {
  @Test(arguments: JSONTables.valid)
  func `a valid object is accepted`(_ text: String) {
    #expect(JSONShape.check(Array(text.utf8)) == nil)
  }

  @Test(arguments: JSONTables.invalid)
  func `an invalid text is refused with the kind and the offset of its problem`(_ text: String, _ fault: String) {
    let problem = JSONShape.check(Array(text.utf8))
    #expect(problem.map { "\($0.fault)" } == fault)
    #expect((problem?.offset ?? -1) >= 0 && (problem?.offset ?? .max) <= text.utf8.count)
    #expect(problem?.message.last == ".")
  }

  @Test(arguments: JSONTables.notUTF8)
  func `invalid UTF-8 is refused at any offset in keys and values`(_ bytes: [UInt8]) {
    for filler in 0...9 {
      let before = [UInt8](repeating: 97, count: filler)
      for text in [
        Array(#"{"a":""#.utf8) + before + bytes + Array(#""}"#.utf8),
        Array("{\"".utf8) + before + bytes + Array("\":1}".utf8),
      ] {
        #expect(JSONShape.check(text)?.fault == .encoding)
      }
      #expect(JSONShape.check(Array(#"{"a":""#.utf8) + before + bytes) != nil)
    }
  }

  @Test(arguments: JSONTables.valid)
  func `every prefix of an object is refused`(_ text: String) {
    let bytes = Array(text.utf8)
    let end = bytes.lastIndex(of: UInt8(ascii: "}")) ?? 0
    for count in 0..<end { #expect(JSONShape.check(Array(bytes[..<count])) != nil) }
  }

  /// The check scans eight bytes at a time, so each offset in a word is tried.
  @Test func `a control character or invalid byte is found at any offset of a string`() {
    for length in 0..<40 {
      for index in 0..<length {
        for (byte, isValid) in [
          (UInt8(0x1f), false), (0x00, false), (0x80, false), (0xff, false), (0x7f, true), (0x20, true),
        ] {
          var content = [UInt8](repeating: 97, count: length)
          content[index] = byte
          let text = Array(#"{"a":""#.utf8) + content + Array(#""}"#.utf8)
          #expect((JSONShape.check(text) == nil) == isValid, "\(byte) at \(index) of \(length)")
        }
      }
    }
  }

  @Test func `an object of depth 64 is accepted, of depth 65 refused`() {
    func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
      Array(
        (#"{"a":"# + String(repeating: open, count: depth - 1) + "1" + String(repeating: close, count: depth - 1) + "}")
          .utf8)
    }
    for (open, close) in [("[", "]"), (#"{"b":"#, "}")] {
      #expect(JSONShape.check(nested(64, open, close)) == nil)
      #expect(JSONShape.check(nested(65, open, close))?.fault == .depth)
      #expect(JSONShape.check(nested(100_000, open, close))?.fault == .depth)
    }
  }

  @Test(arguments: [1, 15, 16, 17, 18, 1000])
  func `a duplicate key is found among any number of keys`(_ count: Int) {
    let members = (0..<count).map { #""key\#($0)":\#($0)"# }
    #expect(JSONShape.check(Array("{\(members.joined(separator: ","))}".utf8)) == nil)
    for again in ["key0", "key\(count - 1)", "\\u006bey\(count / 2)"] {
      let text = "{\((members + [#""\#(again)":0"#]).joined(separator: ","))}"
      #expect(JSONShape.check(Array(text.utf8))?.fault == .duplicateKey)
    }
  }

  /// With 100,000 of each, quadratic work would exceed the time limit.
  @Test(
    .timeLimit(.minutes(1)),
    arguments: [
      { (count: Int) in "{" + (0..<count).map { #""key\#($0)":1"# }.joined(separator: ",") + "}" },
      { (count: Int) in "{" + (0..<count).map { #""\u006bey\#($0)":1"# }.joined(separator: ",") + "}" },
      { (count: Int) in #"{"a":"# + "[" + String(repeating: "[],", count: count) + "1]}" },
      { (count: Int) in #"{"a":""# + String(repeating: "é\\n", count: count) + "\"}" },
    ] as [@Sendable (Int) -> String])
  func `the check takes linear time`(_ make: @Sendable (Int) -> String) {
    #expect(JSONShape.check(Array(make(100_000).utf8)) == nil)
  }
}
