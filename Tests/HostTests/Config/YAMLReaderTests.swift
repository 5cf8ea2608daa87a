import AdapterAPI
import Testing

@testable import Host

private func read(_ text: String) -> (root: ConfigNode?, problems: [String]) { read(Array(text.utf8)) }

private func read(_ bytes: [UInt8]) -> (root: ConfigNode?, problems: [String]) {
  let result = YAMLReader.read(bytes)
  return (result.root, result.problems.map { "\($0.position.line):\($0.position.column) \($0.message)" })
}

/// Expects that the text is refused with one problem, which begins like that.
private func expectRefusal(of bytes: [UInt8], _ beginning: String) {
  let result = read(bytes)
  #expect(result.root == nil)
  #expect(result.problems.count == 1)
  #expect(result.problems.first?.hasPrefix(beginning) == true, "\(result.problems)")
}

private func written(_ node: ConfigNode?) -> String {
  guard let node else { return "nil" }
  let at = "@\(node.position.line):\(node.position.column)"
  switch node.content {
  case .scalar(let text, let plain): return (plain ? text : "'\(text)'") + at
  case .sequence(let items): return "[" + items.map(written).joined(separator: ", ") + "]" + at
  case .mapping(let entries):
    return "{" + entries.map { "\($0.key): \(written($0.value))" }.joined(separator: ", ") + "}" + at
  }
}

@Suite struct YAMLReaderTests {
  @Test func `nodes have line and column, counted from one in characters`() {
    #expect(written(read("a: 1\nb:\n  - x\n  - 'y'\n").root) == "{a: 1@1:4, b: [x@3:5, 'y'@4:5]@3:3}@1:1")
    #expect(written(read("ä: {ö: ü}\n").root) == "{ä: {ö: ü@1:8}@1:4}@1:1")
    #expect(written(read("a:\nb: c\n").root) == "{a: @1:3, b: c@2:4}@1:1")
  }

  @Test func `JSON is read with the same positions`() {
    #expect(
      written(read("{\"a\": [1, true, null],\n \"b\": \"x\\u00e4\\n\"}").root)
        == "{a: [1@1:8, true@1:11, null@1:17]@1:7, b: 'xä\n'@2:7}@1:1")
  }

  @Test func `a byte order mark and CR LF do not shift positions`() {
    #expect(written(read("\u{feff}a: 1\r\nb: 2\r\n").root) == "{a: 1@1:4, b: 2@2:4}@1:1")
  }

  @Test(
    arguments: [
      ("a: &x 1\nb: *x\n", "1:4 anchors (&name)"), ("a: *x\n", "1:4 aliases (*name)"),
      ("a: !!str 1\n", "1:4 tags (!name)"),
      ("a: ! 1\n", "1:4 tags (!name)"), ("<<: {a: 1}\n", "1:1 merge keys (<<)"),
      ("a: 1\n---\nb: 2\n", "2:1 a second document begins here"),
      ("? [a]\n: 1\n", "1:3 a key must be text"), ("{a: 1}: 2\n", "1:1 a key must be text"),
      ("%TAG ! tag:x:\n---\na: 1\n", "1:1 tag directives"), ("a: \"x\\0y\"\n", "1:4 this text has a NUL character"),
      ("a: &x [1]\n", "1:4 anchors"), ("a: !x {b: 1}\n", "1:4 tags"),
    ])
  func `YAML outside the accepted subset is refused at its position`(text: String, expected: String) {
    expectRefusal(of: Array(text.utf8), expected)
  }

  @Test func `every duplicate key is reported with the line of the first`() {
    #expect(
      read("a: 1\nb: {c: 1, c: 2}\na: 2\n").problems == [
        "2:11 the key 'c' is a duplicate of the key in line 2; remove one",
        "3:1 the key 'a' is a duplicate of the key in line 1; remove one",
      ])
  }

  @Test(
    arguments: [
      ("a: 1\na: 2\nb: [1, 2\n", "4:1 not valid YAML"),
      ("a: 1\n\tb: 2\n", "2:1 not valid YAML: this line is indented with a tab"),
      ("a: b: c\n", "1:5 not valid YAML: a ':' is not allowed here"),
      ("a: 1\nb\nc: 2\n", "2:1 not valid YAML: this key needs ': '"),
      ("a: \"x\n", "2:1 not valid YAML"), ("a: 1\n  b: 2\n", "2:4 not valid YAML"), ("a: @x\n", "1:4 not valid YAML"),
      ("a: \"\\ud800\"\n", "1:7 not valid YAML"),
    ])
  func `a syntax error is the only problem, at the position of the mistake`(text: String, expected: String) {
    expectRefusal(of: Array(text.utf8), expected)
  }

  @Test(
    arguments: [
      (Array("a: 1\nb: \u{0}\n".utf8), "2:4 the configuration has a NUL byte here"),
      (Array("a: ".utf8) + [0xc3, 0x28], "1:4 the configuration is not valid UTF-8"),
      ([0xff, 0xfe, 0x61, 0], "1:1 the configuration is UTF-16"),
      (Array("a: \u{1b}[0m".utf8), "1:4 the configuration has the control character U+001B"),
      (Array("a: x\nb: \u{7f}".utf8), "2:4 the configuration has the control character U+007F"),
      (Array("a: \u{9b}".utf8), "1:4 the configuration has the control character U+009B"),
      (Array("a: \u{ffff}".utf8), "1:4 the configuration has the control character U+FFFF"),
      (Array("a: \u{feff}".utf8), "1:4 the configuration has a byte order mark (U+FEFF) inside of the text"),
      ([UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) + 1), "1:1 the configuration is larger than 1 MiB"),
      ([0xed, 0xa0, 0x80], "1:1 the configuration is not valid UTF-8"),
    ])
  func `bytes that are not text are refused at their position`(bytes: [UInt8], expected: String) {
    expectRefusal(of: bytes, expected)
  }

  @Test(arguments: [
    ("\u{85}", "U+0085", "\\u0085"), ("\u{2028}", "U+2028", "\\u2028"), ("\u{2029}", "U+2029", "\\u2029"),
  ])
  func `a character that ends a line for some readers only is refused in comments, values and keys, with its escape`(
    character: String, name: String, escape: String
  ) {
    for text in [
      "x: 1\n# ä\(character)b: 2\n", "x: 1\nb: \(character)2\n", "x: 1\nbb \(character): 2\n",
      "x:\n  \"\(character)\"\n",
    ] {
      let problems = read(text).problems
      #expect(problems.count == 1)
      #expect(problems.first?.hasPrefix("2:4 the configuration has the character \(name) here") == true, "\(problems)")
      #expect(problems.first?.hasSuffix("or write it as \(escape) in double quotes") == true)
    }
    #expect(written(read("b: \"\(escape)\"\n").root) == "{b: '\(character)'@1:4}@1:1")
  }

  @Test(arguments: [
    ("a: \"\\ud83d\\ude00\"\n", "{a: '\u{1f600}'@1:4}@1:1"),
    (
      "{\"\\uD83D\\uDE00\":1,\"b\":\"x\\udbff\\udfff\\ud800\\udc00\",\"c\":2}",
      "{\u{1f600}: 1@1:17, b: 'x\u{10ffff}\u{10000}'@1:23, c: 2@1:55}@1:1"
    ),
    ("a: '\\ud83d\\ude00'\nb: \\ud83d\\ude00\n", "{a: '\\ud83d\\ude00'@1:4, b: \\ud83d\\ude00@2:4}@1:1"),
    ("a: \"\\\\ud83d\\\\ude00\\ud83d\\ude00\"\n", "{a: '\\ud83d\\ude00\u{1f600}'@1:4}@1:1"),
    ("a: |\n  \\ud83d\\ude00\n", "{a: '\\ud83d\\ude00\n'@1:4}@1:1"),
    ("# \\ud83d\\ude00\na: \"\\ue83d\"\n", "{a: '\u{e83d}'@2:4}@2:1"),
  ])
  func `a pair of surrogate escapes in double quotes is one character, as JSON has it, and stays text elsewhere`(
    text: String, expected: String
  ) {
    #expect(written(read(text).root) == expected)
  }

  @Test(arguments: [
    "a: \"\\ud83d\"\n", "a: \"\\ude00\"\n", "a: \"\\ude00\\ud83d\"\n", "a: \"\\ud83d\\ud83d\\ude00\"\n",
    "a: \"\\\\ud83d\\ude00\"\n", "a: \"\\ud83d \\ude00\"\n",
  ])
  func `one half of a surrogate pair alone is not valid`(text: String) {
    #expect(read(text).root == nil)
    #expect(read(text).problems.first?.contains("not valid YAML") == true)
  }

  @Test(arguments: ["", "\n\n", "# only a comment\n", "---\n", "~\n", "\u{feff}"])
  func `an empty configuration is an error that names the required sections`(text: String) {
    #expect(
      read(text).problems == [
        "1:1 the configuration is empty; it needs version, auth, store, adapters, defaults and routes"
      ])
  }

  @Test func `more than 64 nested levels are refused`() {
    let deep = { (levels: Int) in String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
    #expect(read(deep(64)).root != nil)
    #expect(read(deep(65)).problems == ["1:65 the configuration has more than 64 nested levels here"])
    #expect(read(String(repeating: "{a: ", count: 100_000)).problems.count == 1)
    #expect(read(String(repeating: "[", count: 1 << 20)).problems.count == 1)
  }

  // Expanded, it would have three billion nodes.
  @Test(.timeLimit(.minutes(1))) func `an alias bomb ends at its first anchor`() {
    var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    for level in 1...9 {
      bomb += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
    }
    expectRefusal(of: Array(bomb.utf8), "1:5 anchors")
  }

  @Test func `a configuration that is cut anywhere is read or refused, without a crash`() {
    let bytes = Array(ConfigurationSamples.text.utf8)
    for end in 0..<bytes.count {
      let result = YAMLReader.read(Array(bytes[..<end]))
      #expect((result.root == nil) == !result.problems.isEmpty)
    }
  }

  @Test func `a configuration with one changed byte is read or refused, without a crash`() {
    let bytes = Array(ConfigurationSamples.text.utf8)
    for (index, replacement) in zip(
      bytes.indices, Array(repeating: Array("\"'{[&*!|>%@`:-#\t".utf8), count: 64).joined())
    {
      var changed = bytes
      changed[index] = replacement
      let loaded = ConfigurationSamples.load(String(decoding: changed, as: UTF8.self))
      #expect((loaded.configuration == nil) == (loaded.errorCount > 0))
    }
  }
}
