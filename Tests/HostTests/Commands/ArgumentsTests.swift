import Testing

@testable import Host

@Suite struct ArgumentsTests {
  /// The message of the usage error, where there is one.
  private func message(_ words: [String], _ check: (Arguments) throws -> Void = { _ in }) -> String? {
    do {
      try check(try Arguments(words))
      return nil
    } catch {
      return (error as? Arguments.UsageError)?.message ?? "another error"
    }
  }

  @Test func `options are read before and after the verb, with a space and with an equals sign`() throws {
    for words in [
      ["-c", "a.yaml", "check", "--format", "json"], ["check", "--config=a.yaml", "--format=json"],
      ["--format=json", "check", "-c", "a.yaml"],
    ] {
      let arguments = try Arguments(words)
      #expect(arguments.words == ["check"])
      #expect(try arguments.one(.config) == "a.yaml")
      #expect(try arguments.isJSON())
    }
  }

  @Test func `a repeatable option keeps all its values, empty ones too`() throws {
    let role = try #require(TokenIssueCommand.verb.options.first { $0.name == "--role" })
    let arguments = try Arguments(["token", "issue", "--role", "a", "--role=b", "--role="])
    #expect(arguments.words == ["token", "issue"])
    #expect(arguments.all(role) == ["a", "b", ""])
    #expect(try arguments.one(.config) == nil)
  }

  @Test func `options without a value are present or absent`() throws {
    let arguments = try Arguments(["-h", "run"])
    #expect(arguments.has(.help) && !arguments.has(.version))
    #expect(try !arguments.isJSON())
  }

  @Test func `a usage error names the word, the rule and the nearest option`() {
    #expect(message(["check", "-c"]) == "option '-c' needs a value: -c FILE")
    #expect(message(["run", "--demo=yes"]) == "option '--demo' takes no value")
    #expect(message(["run", "--frobnicate"]) == "unknown option '--frobnicate'")
    #expect(message(["run", "--dmeo"]) == "unknown option '--dmeo'; did you mean '--demo'?")
    #expect(message(["run", "-x"]) == "unknown option '-x'")
    #expect(message(["-c", "a", "-c", "b"]) { _ = try $0.one(.config) } == "option '--config' is given twice")
    #expect(
      message(["check", "--format", "xml"]) { _ = try $0.isJSON() } == "'--format' must be text or json, not 'xml'")
  }

  @Test func `a verb refuses the options of other verbs and further arguments`() throws {
    func message(_ verb: Verb, _ words: [String]) -> String? { self.message(words) { try $0.check(for: verb) } }
    #expect(message(RunCommand.verb, ["--sub", "me"]) == "'--sub' is not an option of 'run'")
    #expect(message(RunCommand.verb, ["--demo", "--config=x"]) == nil)
    #expect(message(CheckCommand.verb, ["a.yaml"]) == nil)
    #expect(message(CheckCommand.verb, ["a.yaml", "b.yaml"]) == "unexpected argument 'b.yaml'")
    #expect(message(VersionCommand.verb, ["x"]) == "unexpected argument 'x'")
  }

  @Test func `the configuration is the argument or the option, not both`() throws {
    #expect(try Arguments(["a.yaml"]).configurationFile() == "a.yaml")
    #expect(try Arguments(["-c", "b.yaml"]).configurationFile() == "b.yaml")
    #expect(try Arguments([]).configurationFile() == "config/gateway.yaml")
    let message = message(["a.yaml", "-c", "b.yaml"]) { _ = try $0.configurationFile() }
    #expect(message == "the configuration is given twice: as an argument and with '--config'")
  }
}
