import Testing

@testable import AdapterAPI

/// A mapping made by hand, as the YAML reader makes it of `key: value`.
private final class Sample {
  let problems = Settings.Problems()
  let settings: Settings

  init(_ entries: [(String, ConfigNode.Content)], path: String = "part", environment: [String: String] = [:]) {
    let nodes = entries.enumerated().map { line, entry in
      ConfigNode.Entry(
        key: entry.0, keyPosition: SourcePosition(line: line + 1, column: 1),
        value: ConfigNode(entry.1, at: SourcePosition(line: line + 1, column: 10)))
    }
    settings = Settings(
      ConfigNode(.mapping(nodes), at: SourcePosition(line: 1, column: 1)), path: path, problems: problems,
      resolver: Settings.Resolver(
        environment: { environment[$0] },
        file: { $0 == "good" ? .success("from a file\n") : .failure(.init("does not exist")) }))
  }

  convenience init(_ text: String, plain: Bool = true) { self.init([("key", .scalar(text, plain: plain))]) }

  var messages: [String] { problems.all.map(\.message) }
}

private func reference(_ kind: String, _ name: String) -> ConfigNode.Content {
  let position = SourcePosition(line: 1, column: 1)
  return .mapping([
    ConfigNode.Entry(key: kind, keyPosition: position, value: ConfigNode(.scalar(name, plain: true), at: position))
  ])
}

@Suite("Settings: single values")
struct SettingsScalarTests {
  @Test(arguments: [
    ("250ms", Duration.milliseconds(250)), ("5s", .seconds(5)), ("10m", .seconds(600)), ("24h", .seconds(86_400)),
    ("0", .zero), ("0s", .zero), ("007s", .seconds(7)),
  ])
  func `a duration with a unit is read`(text: String, expected: Duration) {
    for plain in [true, false] {
      let sample = Sample(text, plain: plain)
      #expect(sample.settings.duration("key") == expected)
      #expect(sample.messages.isEmpty)
    }
  }

  @Test(arguments: [
    "5", "s", "5 s", "-5s", "1.5s", "5S", "5sec", "1d", "12:30", "", "9223372036854775807h", "99999999999999999999s",
    "٣s",
  ])
  func `a text that is not a duration is refused`(text: String) {
    let sample = Sample(text, plain: false)
    _ = sample.settings.duration("key", default: .seconds(1))
    #expect(sample.messages.count == 1)
    #expect(sample.messages[0].hasPrefix("'key' in part must be a duration with its unit"))
  }

  @Test(arguments: [
    ("0", 0), ("512B", 512), ("16KiB", 16_384), ("1MiB", 1 << 20), ("2GiB", 2 << 30),
  ])
  func `a size with a binary unit is read`(text: String, expected: Int) {
    #expect(Sample(text).settings.size("key") == expected)
  }

  @Test(arguments: [
    "1024", "1KB", "1MB", "1kib", "1 MiB", "-1B", "9223372036854775807GiB", "1.5MiB", "MiB",
  ])
  func `a text that is not a size is refused`(text: String) {
    let sample = Sample(text)
    _ = sample.settings.size("key")
    #expect(sample.messages.count == 1)
  }

  @Test(arguments: [
    ("0", 0), ("0123", 123), ("-7", -7), ("9223372036854775807", Int.max),
  ])
  func `an integer is read as decimal, with any leading zeros`(text: String, expected: Int) {
    #expect(Sample(text).settings.integer("key") == expected)
  }

  @Test(arguments: [
    "0x10", "0o17", "1_000", "1e3", "12:30", "+1", "-", "9223372036854775808", "1.0", "yes",
  ])
  func `a text that is not a decimal integer is refused`(text: String) {
    let sample = Sample(text)
    _ = sample.settings.integer("key")
    #expect(sample.messages == ["'key' in part must be a whole number, without quotes, not '\(text)'"])
  }

  @Test func `a quoted integer is refused, an integer from the environment is read`() {
    let quoted = Sample("5", plain: false)
    _ = quoted.settings.integer("key")
    #expect(quoted.messages.count == 1)
    let sample = Sample([("key", reference("env", "N"))], environment: ["N": "5"])
    #expect(sample.settings.integer("key") == 5)
    #expect(sample.messages.isEmpty)
  }

  @Test(arguments: ["on", "yes", "True", "1", "y", "TRUE"])
  func `a flag other than true or false is refused`(text: String) {
    let sample = Sample(text)
    #expect(sample.settings.flag("key", default: true))
    #expect(sample.messages == ["'key' in part must be true or false, without quotes, not '\(text)'"])
    #expect(Sample("true").settings.flag("key"))
    #expect(!Sample("false").settings.flag("key", default: true))
  }

  @Test(arguments: [("0%", 0), ("10%", 0.1), ("0.5%", 0.005), ("100%", 1)])
  func `a share is read as a percentage`(text: String, expected: Double) {
    #expect(abs(Sample(text).settings.share("key") - expected) < 1e-12)
  }

  @Test(arguments: ["0.1", "10", "101%", "-1%", "%", ".5%", "1e1%", "nan%", "inf%"])
  func `a text that is not a percentage is refused`(text: String) {
    let sample = Sample(text)
    _ = sample.settings.share("key")
    #expect(sample.messages.count == 1)
  }

  @Test func `a value outside its range is refused with both ends of the range`() {
    let sample = Sample("0s")
    _ = sample.settings.duration("key", default: .seconds(1), in: .milliseconds(1)...Duration.seconds(86_400))
    #expect(sample.messages == ["'key' in part must be from 1ms to 24h, not '0s'"])
    let size = Sample("2GiB")
    _ = size.settings.size("key", default: 0, in: 0...(1 << 20))
    #expect(size.messages == ["'key' in part must be from 0B to 1MiB, not '2GiB'"])
  }

  @Test func `an unknown choice is refused with the nearest word`() {
    let sample = Sample("infp")
    #expect(sample.settings.choice("key", ["debug", "info"], default: "info") == "info")
    #expect(sample.messages == ["'key' in part must be one of debug, info, not 'infp'; did you mean 'info'?"])
  }

  @Test func `a key without a value is an error`() {
    for word in ["", "~", "null"] {
      let sample = Sample(word)
      #expect(sample.settings.texts("key").isEmpty)
      #expect(sample.messages == ["'key' in part has no value; give it one, or remove the key"])
    }
    #expect(Sample("null", plain: false).settings.text("key") == "null")
  }

  @Test func `a missing key without a default is an error at the mapping`() {
    let sample = Sample([])
    #expect(sample.settings.text("a", default: "b") == "b")
    #expect(sample.settings.optionalText("a") == nil)
    #expect(sample.settings.text("name") == "")
    #expect(sample.messages == ["'name' is missing in part; it has no default"])
    #expect(sample.problems.all[0].position == SourcePosition(line: 1, column: 1))
  }

  @Test func `a list of texts accepts a single text and refuses an empty one`() {
    let at = SourcePosition(line: 3, column: 3)
    #expect(Sample("one").settings.texts("key") == ["one"])
    let list = Sample([
      (
        "key",
        .sequence([ConfigNode(.scalar("a", plain: true), at: at), ConfigNode(.scalar("", plain: false), at: at)])
      )
    ])
    #expect(list.settings.texts("key") == ["a"])
    #expect(list.messages == ["'key' in part is empty"])
    #expect(list.problems.all[0].position == at)
  }
}

@Suite("Settings: references and secrets")
struct SettingsReferenceTests {
  @Test func `env and file are replaced by their content, a file's without its last line break`() {
    let sample = Sample([("a", reference("env", "A")), ("b", reference("file", "good"))], environment: ["A": "value"])
    #expect(sample.settings.text("a") == "value")
    #expect(sample.settings.secret("b").exposed == "from a file")
    #expect(sample.messages.isEmpty)
  }

  @Test func `a reference that cannot be resolved is an error with its name and the remedy`() {
    let sample = Sample(
      [("a", reference("env", "A")), ("b", reference("file", "bad")), ("c", reference("env", "C"))],
      environment: ["C": ""])
    _ = (sample.settings.text("a"), sample.settings.secret("b"), sample.settings.text("c"))
    #expect(
      sample.messages == [
        "'a' in part needs the environment variable A, which is not set; set it, or write it into .env.local beside"
          + " the configuration",
        "'b' in part: the file bad does not exist",
        "'c' in part needs the environment variable C, which is set but empty",
      ])
  }

  @Test func `a literal secret is refused without being shown`() {
    for content in [
      ConfigNode.Content.scalar("hunter2", plain: true), reference("hunter2", "x"), reference("env", "hunter2!"),
    ] {
      let sample = Sample([("key", content)])
      #expect(sample.settings.secret("key").exposed == "")
      #expect(sample.messages.count == 1)
      #expect(!sample.messages[0].contains("hunter2"))
    }
    let literal = Sample("hunter2")
    _ = literal.settings.secret("key")
    #expect(literal.messages == ["'key' in part: secrets are {env: NAME} or {file: path}, never written here"])
  }

  @Test func `a variable's content of the wrong type is not shown`() {
    let sample = Sample([("key", reference("env", "A"))], environment: ["A": "hunter2"])
    _ = sample.settings.duration("key")
    #expect(sample.messages.count == 1)
    #expect(sample.messages[0].hasSuffix("not what the variable A holds"))
  }
}

@Suite("Settings: mappings and unread keys")
struct SettingsSectionTests {
  @Test func `an unread key is an error at its position, with a suggestion from the keys that were asked for`() {
    let sample = Sample(
      [("adaptor", .scalar("x", plain: true)), ("elsewhere1", .scalar("x", plain: true))], path: "routes[2]")
    _ = sample.settings.text("adapter", default: "")
    sample.settings.finish(knownElsewhere: ["elsewhere"])
    #expect(
      sample.messages == [
        "unknown key 'adaptor' in routes[2]; did you mean 'adapter'?",
        "unknown key 'elsewhere1' in routes[2]; did you mean 'elsewhere'?",
      ])
    #expect(sample.problems.all[0].position == SourcePosition(line: 1, column: 1))
    sample.settings.finish()
    #expect(sample.messages.count == 2)
  }

  @Test func `read and ignored keys are not unknown, and contains does not read a key`() {
    let sample = Sample([
      ("a", .scalar("x", plain: true)), ("b", .scalar("x", plain: true)), ("c", .scalar("x", plain: true)),
    ])
    _ = sample.settings.text("a")
    sample.settings.ignore(["b"])
    #expect(sample.settings.contains("c"))
    sample.settings.finish()
    #expect(sample.messages == ["unknown key 'c' in part"])
  }

  @Test func `a node that is not a mapping is an error, except null, which is an empty mapping`() {
    let position = SourcePosition(line: 4, column: 2)
    for (content, count) in [
      (ConfigNode.Content.scalar("x", plain: true), 1), (.sequence([]), 1), (.scalar("", plain: true), 0),
    ] {
      let problems = Settings.Problems()
      let resolver = Settings.Resolver(environment: { _ in nil }, file: { _ in .failure(.init("")) })
      let settings = Settings(ConfigNode(content, at: position), path: "x", problems: problems, resolver: resolver)
      #expect(settings.optionalText("a") == nil)
      #expect(problems.all.count == count)
    }
  }

  @Test func `the number of problems is bounded, and the last one says so`() {
    let problems = Settings.Problems()
    for line in 1...10_000 { problems.error("wrong", at: SourcePosition(line: line, column: 1)) }
    #expect(problems.all.count == Settings.Problems.limit + 1)
    #expect(problems.all.last?.message.hasPrefix("too many problems") == true)
  }

  @Test(arguments: [
    ("adaptor", "adapter"), ("idle_timout", "idle_timeout"), ("adatper", "adapter"), ("typ", "type"),
    ("idle", "idle_timeout"), ("zzz", nil),
    ("x", nil),
    ("", nil),
  ])
  func `a suggestion is the only word with that prefix, or at most two edits away`(word: String, expected: String?) {
    #expect(Spelling.nearest(to: word, among: ["adapter", "idle_timeout", "type", "y"]) == expected)
  }

  @Test func `printable replaces control and direction characters and cuts long text`() {
    #expect(Spelling.printable("a\u{1b}[31m\u{202e}b\n") == "a?[31m?b?")
    #expect(Spelling.printable(String(repeating: "x", count: 500)).count == 41)
  }
}

@Suite("Settings: base URLs")
struct SettingsBaseURLTests {
  @Test(arguments: [
    ("http://10.0.0.1:8081/webtalk/", "http://10.0.0.1:8081/webtalk"), ("http://Host.Example", "http://host.example"),
    ("HTTP://h:80/", "http://h"), ("https://h:8443/a/b//", "https://h:8443/a/b"),
    ("http://[::1]:9", "http://[::1]:9"),
    ("http://[fe80::1:2]", "http://[fe80::1:2]"), ("http://[::ffff:10.0.0.1]/x", "http://[::ffff:10.0.0.1]/x"),
    ("http://h_1/%41", "http://h_1/%41"), ("http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:7:8]"),
    ("http://[::]", "http://[::]"),
  ])
  func `an address is parsed and normalized`(text: String, expected: String) {
    let sample = Sample(text)
    #expect(sample.settings.baseURL("key").description == expected)
    #expect(sample.messages.isEmpty)
  }

  @Test(arguments: [
    "ftp://h", "h:80", "http:/h", "http://", "http://user:pass@h", "http://h?pass=1", "http://h#pass", "http://h:0",
    "http://h:65536", "http://h:", "http://h:+80", "http://[::1", "http://[1:2:3:4:5:6:7:8:9]", "http://[:::1]",
    "http://[1::2::3]",
    "http://a..b", "http://h/%4", "http://h/ pass", "http://h\u{e4}", "http://[::1]x", "http://[12345::]",
    "http://[]", "",
    "http://[1:2:3:4:5:6:7]", "http://[1:::2]", "http://[::1.2.3.256]",
  ])
  func `an invalid address is refused without being shown`(text: String) {
    let sample = Sample(text, plain: false)
    _ = sample.settings.baseURL("key")
    #expect(sample.messages.count == 1)
    #expect(!sample.messages.contains { $0.contains("pass@") || $0.contains("pass=") || $0.contains("#pass") })
  }
}
