import Testing

@testable import AdapterAPI

/// A mapping made by hand: what the reader would give for `key: value` with that text.
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
  @Test(
    "a duration is digits and a unit",
    arguments: [
      ("250ms", Duration.milliseconds(250)), ("5s", .seconds(5)), ("10m", .seconds(600)), ("24h", .seconds(86_400)),
      ("0", .zero), ("0s", .zero), ("007s", .seconds(7)),
    ])
  func durations(text: String, expected: Duration) {
    for plain in [true, false] {
      let sample = Sample(text, plain: plain)
      #expect(sample.settings.duration("key") == expected)
      #expect(sample.messages.isEmpty)
    }
  }

  @Test(
    "what is no duration is refused",
    arguments: [
      "5", "s", "5 s", "-5s", "1.5s", "5S", "5sec", "1d", "12:30", "", "9223372036854775807h", "99999999999999999999s",
      "٣s",
    ])
  func wrongDurations(text: String) {
    let sample = Sample(text, plain: false)
    _ = sample.settings.duration("key", default: .seconds(1))
    #expect(sample.messages.count == 1)
    #expect(sample.messages[0].hasPrefix("'key' in part must be a duration with its unit"))
  }

  @Test(
    "a size is digits and a binary unit",
    arguments: [
      ("0", 0), ("512B", 512), ("16KiB", 16_384), ("1MiB", 1 << 20), ("2GiB", 2 << 30),
    ])
  func sizes(text: String, expected: Int) { #expect(Sample(text).settings.size("key") == expected) }

  @Test(
    "what is no size is refused",
    arguments: [
      "1024", "1KB", "1MB", "1kib", "1 MiB", "-1B", "9223372036854775807GiB", "1.5MiB", "MiB",
    ])
  func wrongSizes(text: String) {
    let sample = Sample(text)
    _ = sample.settings.size("key")
    #expect(sample.messages.count == 1)
  }

  @Test(
    "an integer is decimal, whatever YAML thinks of leading zeros",
    arguments: [
      ("0", 0), ("0123", 123), ("-7", -7), ("9223372036854775807", Int.max),
    ])
  func integers(text: String, expected: Int) { #expect(Sample(text).settings.integer("key") == expected) }

  @Test(
    "what is no integer is refused",
    arguments: [
      "0x10", "0o17", "1_000", "1e3", "12:30", "+1", "-", "9223372036854775808", "1.0", "yes",
    ])
  func wrongIntegers(text: String) {
    let sample = Sample(text)
    _ = sample.settings.integer("key")
    #expect(sample.messages == ["'key' in part must be a whole number, without quotes, not '\(text)'"])
  }

  @Test func `a quoted integer is refused and an integer from the environment is not`() {
    let quoted = Sample("5", plain: false)
    _ = quoted.settings.integer("key")
    #expect(quoted.messages.count == 1)
    let sample = Sample([("key", reference("env", "N"))], environment: ["N": "5"])
    #expect(sample.settings.integer("key") == 5)
    #expect(sample.messages.isEmpty)
  }

  @Test("a flag is true or false and nothing else", arguments: ["on", "yes", "True", "1", "y", "TRUE"])
  func wrongFlags(text: String) {
    let sample = Sample(text)
    #expect(sample.settings.flag("key", default: true))
    #expect(sample.messages == ["'key' in part must be true or false, without quotes, not '\(text)'"])
    #expect(Sample("true").settings.flag("key"))
    #expect(!Sample("false").settings.flag("key", default: true))
  }

  @Test("a share is a percentage", arguments: [("0%", 0), ("10%", 0.1), ("0.5%", 0.005), ("100%", 1)])
  func shares(text: String, expected: Double) { #expect(abs(Sample(text).settings.share("key") - expected) < 1e-12) }

  @Test("what is no share is refused", arguments: ["0.1", "10", "101%", "-1%", "%", ".5%", "1e1%", "nan%", "inf%"])
  func wrongShares(text: String) {
    let sample = Sample(text)
    _ = sample.settings.share("key")
    #expect(sample.messages.count == 1)
  }

  @Test func `a value outside its range names both ends`() {
    let sample = Sample("0s")
    _ = sample.settings.duration("key", default: .seconds(1), in: .milliseconds(1)...Duration.seconds(86_400))
    #expect(sample.messages == ["'key' in part must be from 1ms to 24h, not '0s'"])
    let size = Sample("2GiB")
    _ = size.settings.size("key", default: 0, in: 0...(1 << 20))
    #expect(size.messages == ["'key' in part must be from 0B to 1MiB, not '2GiB'"])
  }

  @Test func `a choice suggests the nearest word`() {
    let sample = Sample("infp")
    #expect(sample.settings.choice("key", ["debug", "info"], default: "info") == "info")
    #expect(sample.messages == ["'key' in part must be one of debug, info, not 'infp'; did you mean 'info'?"])
  }

  @Test func `a key without a value is an error and not the default`() {
    for word in ["", "~", "null"] {
      let sample = Sample(word)
      #expect(sample.settings.texts("key").isEmpty)
      #expect(sample.messages == ["'key' in part has no value; give it one, or remove the key"])
    }
    #expect(Sample("null", plain: false).settings.text("key") == "null")
  }

  @Test func `a missing key is reported at the mapping unless it has a default`() {
    let sample = Sample([])
    #expect(sample.settings.text("a", default: "b") == "b")
    #expect(sample.settings.optionalText("a") == nil)
    #expect(sample.settings.text("name") == "")
    #expect(sample.messages == ["'name' is missing in part; it has no default"])
    #expect(sample.problems.all[0].position == SourcePosition(line: 1, column: 1))
  }

  @Test func `a list of texts may be a single text, and an empty one in it is refused`() {
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
  @Test func `env and file stand for their content, a file's without its last line break`() {
    let sample = Sample([("a", reference("env", "A")), ("b", reference("file", "good"))], environment: ["A": "value"])
    #expect(sample.settings.text("a") == "value")
    #expect(sample.settings.secret("b").exposed == "from a file")
    #expect(sample.messages.isEmpty)
  }

  @Test func `what is not set or not readable is named with what to do`() {
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

  @Test func `a literal secret is refused and never repeated`() {
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

  @Test func `what a variable holds is not shown when it has the wrong type`() {
    let sample = Sample([("key", reference("env", "A"))], environment: ["A": "hunter2"])
    _ = sample.settings.duration("key")
    #expect(sample.messages.count == 1)
    #expect(sample.messages[0].hasSuffix("not what the variable A holds"))
  }
}

@Suite("Settings: mappings and unread keys")
struct SettingsSectionTests {
  @Test func `an unread key is an error at its place, with a suggestion from the keys that were asked for`() {
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

  @Test func `read and ignored keys are not unknown, and asking whether one is there does not read it`() {
    let sample = Sample([
      ("a", .scalar("x", plain: true)), ("b", .scalar("x", plain: true)), ("c", .scalar("x", plain: true)),
    ])
    _ = sample.settings.text("a")
    sample.settings.ignore(["b"])
    #expect(sample.settings.contains("c"))
    sample.settings.finish()
    #expect(sample.messages == ["unknown key 'c' in part"])
  }

  @Test func `what is no mapping is an error, and nothing is an empty mapping`() {
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

  @Test func `problems are bounded and say so`() {
    let problems = Settings.Problems()
    for line in 1...10_000 { problems.error("wrong", at: SourcePosition(line: line, column: 1)) }
    #expect(problems.all.count == Settings.Problems.limit + 1)
    #expect(problems.all.last?.message.hasPrefix("too many problems") == true)
  }

  @Test(
    "a suggestion is the only word that begins so, or two edits away at most",
    arguments: [
      ("adaptor", "adapter"), ("idle_timout", "idle_timeout"), ("adatper", "adapter"), ("typ", "type"),
      ("idle", "idle_timeout"), ("zzz", nil),
      ("x", nil),
      ("", nil),
    ])
  func suggestions(word: String, expected: String?) {
    #expect(Spelling.nearest(to: word, among: ["adapter", "idle_timeout", "type", "y"]) == expected)
  }

  @Test func `printed text has no control or direction characters and an end`() {
    #expect(Spelling.printable("a\u{1b}[31m\u{202e}b\n") == "a?[31m?b?")
    #expect(Spelling.printable(String(repeating: "x", count: 500)).count == 41)
  }
}

@Suite("Settings: base URLs")
struct SettingsBaseURLTests {
  @Test(
    "an address is taken apart",
    arguments: [
      ("http://10.0.0.1:8081/webtalk/", "http://10.0.0.1:8081/webtalk"), ("http://Host.Example", "http://host.example"),
      ("HTTP://h:80/", "http://h"), ("https://h:8443/a/b//", "https://h:8443/a/b"),
      ("http://[::1]:9", "http://[::1]:9"),
      ("http://[fe80::1:2]", "http://[fe80::1:2]"), ("http://[::ffff:10.0.0.1]/x", "http://[::ffff:10.0.0.1]/x"),
      ("http://h_1/%41", "http://h_1/%41"), ("http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:7:8]"),
      ("http://[::]", "http://[::]"),
    ])
  func good(text: String, expected: String) {
    let sample = Sample(text)
    #expect(sample.settings.baseURL("key").description == expected)
    #expect(sample.messages.isEmpty)
  }

  @Test(
    "a bad address is refused without being shown",
    arguments: [
      "ftp://h", "h:80", "http:/h", "http://", "http://user:pass@h", "http://h?pass=1", "http://h#pass", "http://h:0",
      "http://h:65536", "http://h:", "http://h:+80", "http://[::1", "http://[1:2:3:4:5:6:7:8:9]", "http://[:::1]",
      "http://[1::2::3]",
      "http://a..b", "http://h/%4", "http://h/ pass", "http://h\u{e4}", "http://[::1]x", "http://[12345::]",
      "http://[]", "",
      "http://[1:2:3:4:5:6:7]", "http://[1:::2]", "http://[::1.2.3.256]",
    ])
  func bad(text: String) {
    let sample = Sample(text, plain: false)
    _ = sample.settings.baseURL("key")
    #expect(sample.messages.count == 1)
    #expect(!sample.messages.contains { $0.contains("pass@") || $0.contains("pass=") || $0.contains("#pass") })
  }
}
