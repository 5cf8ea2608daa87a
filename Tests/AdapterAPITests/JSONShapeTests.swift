import AdapterAPI
import Testing

@Suite("JSON: the shape of a body")
struct JSONShapeTests {
  @Test(arguments: JSONTables.valid)
  func `an object by the grammar is accepted`(_ text: String) {
    #expect(JSONShape.check(Array(text.utf8)) == nil)
  }

  @Test(arguments: JSONTables.invalid)
  func `anything else is refused, and says why and where`(_ text: String, _ fault: String) {
    let problem = JSONShape.check(Array(text.utf8))
    #expect(problem.map { "\($0.fault)" } == fault)
    #expect((problem?.offset ?? -1) >= 0 && (problem?.offset ?? .max) <= text.utf8.count)
    #expect(problem?.message.last == ".")
  }

  @Test(arguments: JSONTables.notUTF8)
  func `bytes that are no UTF-8 are refused wherever they stand`(_ bytes: [UInt8]) {
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
  func `no beginning of an object is one`(_ text: String) {
    let bytes = Array(text.utf8)
    let end = bytes.lastIndex(of: UInt8(ascii: "}")) ?? 0
    for count in 0..<end { #expect(JSONShape.check(Array(bytes[..<count])) != nil) }
  }

  /// The check keeps an eye on eight bytes at a time, so each place in a word is tried.
  @Test func `every byte is looked at, wherever it stands in a word`() {
    for length in 0..<40 {
      for index in 0..<length {
        for (byte, isFine) in [
          (UInt8(0x1f), false), (0x00, false), (0x80, false), (0xff, false), (0x7f, true), (0x20, true),
        ] {
          var content = [UInt8](repeating: 97, count: length)
          content[index] = byte
          let text = Array(#"{"a":""#.utf8) + content + Array(#""}"#.utf8)
          #expect((JSONShape.check(text) == nil) == isFine, "\(byte) at \(index) of \(length)")
        }
      }
    }
  }

  @Test func `sixty-four levels are enough, sixty-five are too many`() {
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
  func `a key that stands twice is found among any number of keys`(_ count: Int) {
    let members = (0..<count).map { #""key\#($0)":\#($0)"# }
    #expect(JSONShape.check(Array("{\(members.joined(separator: ","))}".utf8)) == nil)
    for again in ["key0", "key\(count - 1)", "\\u006bey\(count / 2)"] {
      let text = "{\((members + [#""\#(again)":0"#]).joined(separator: ","))}"
      #expect(JSONShape.check(Array(text.utf8))?.fault == .duplicateKey)
    }
  }

  /// A hundred thousand of each: quadratic work would not end within the limit.
  @Test(
    .timeLimit(.minutes(1)),
    arguments: [
      { (count: Int) in "{" + (0..<count).map { #""key\#($0)":1"# }.joined(separator: ",") + "}" },
      { (count: Int) in "{" + (0..<count).map { #""\u006bey\#($0)":1"# }.joined(separator: ",") + "}" },
      { (count: Int) in #"{"a":"# + "[" + String(repeating: "[],", count: count) + "1]}" },
      { (count: Int) in #"{"a":""# + String(repeating: "é\\n", count: count) + "\"}" },
    ] as [@Sendable (Int) -> String])
  func `time grows with the size and no faster`(_ make: @Sendable (Int) -> String) {
    #expect(JSONShape.check(Array(make(100_000).utf8)) == nil)
  }
}
