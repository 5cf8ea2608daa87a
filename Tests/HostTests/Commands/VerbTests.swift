import Testing

@testable import Host

@Suite struct VerbTests {
  private func message(_ words: [String]) -> String? {
    #expect(throws: Arguments.UsageError.self) { try Verb.named(words) }?.message
  }

  @Test func `a verb is found by its name, its alias and the two words of a group`() throws {
    #expect(try Verb.named(["check", "a.yaml"]).map(\.name) == ["check"])
    #expect(try Verb.named(["validate"]).map(\.name) == ["check"])
    #expect(try Verb.named(["token", "status", "a.yaml"]).map(\.name) == ["token status"])
    #expect(try Verb.named(["token"]).map(\.name) == ["token issue", "token status"])
  }

  @Test func `an unknown command is reported with the nearest one`() {
    #expect(message(["chekc"]) == "unknown command 'chekc'; did you mean 'check'?")
    #expect(message(["token", "isue"]) == "unknown command 'token isue'; did you mean 'token issue'?")
    #expect(message(["frobnicate", "x"]) == "unknown command 'frobnicate'")
  }

  @Test func `the overview and the help of each verb come from the list of verbs`() {
    for verb in Verb.all {
      #expect(HelpCommand.overview.contains("\n  \(verb.name) "), "\(verb.name)")
      let text = HelpCommand.text(of: [verb])
      #expect(text.hasPrefix("usage: pointgate \(verb.name)") && text.contains("\nexample: "), "\(verb.name)")
      for option in verb.options { #expect(text.contains("\(option.name)"), "\(verb.name) \(option.name)") }
    }
    let text = HelpCommand.text(of: [CheckCommand.verb])
    #expect(
      text.hasPrefix("usage: pointgate check [FILE] [-c FILE] [--live] [--format text|json]        (also: validate)"))
    #expect(text.contains("\n  -c, --config FILE   the configuration;"))
  }

  @Test func `a table's columns are as wide as their widest entry, the last column excepted`() {
    #expect(Terminal.table([["a", "bb", "c"], ["ddd", "e", "ffff"]]) == "a    bb  c\nddd  e   ffff\n")
    #expect(Terminal.table([]) == "")
  }
}
