import Testing

@testable import Host

@Suite struct ArgumentsTests {
  private func usage(_ words: [String], _ check: (Arguments) throws -> Void = { _ in }) -> String? {
    do {
      try check(try Arguments(words))
      return nil
    } catch {
      return (error as? Arguments.UsageError)?.message ?? "another error"
    }
  }

  @Test func `options stand before or after the verb, with a space or an equals sign`() throws {
    for words in [
      ["-c", "a.yaml", "check", "--format", "json"], ["check", "--config=a.yaml", "--format=json"],
      ["--format=json", "check", "-c", "a.yaml"],
    ] {
      let arguments = try Arguments(words)
      #expect(arguments.words == ["check"])
      #expect(try arguments.one("config") == "a.yaml")
      #expect(try arguments.isJSON())
    }
  }

  @Test func `an option may be given several times where that has a meaning`() throws {
    let arguments = try Arguments(["token", "issue", "--role", "a", "--role=b", "--role="])
    #expect(arguments.words == ["token", "issue"])
    #expect(arguments.all("role") == ["a", "b", ""])
    #expect(arguments.all("sub") == [])
    #expect(try arguments.one("sub") == nil)
  }

  @Test func `what is wrong is said`() {
    #expect(usage(["check", "-c"]) == "-c needs a value")
    #expect(usage(["run", "--demo=yes"]) == "--demo takes no value")
    #expect(usage(["run", "--frobnicate"]) == "unknown option '--frobnicate'")
    #expect(usage(["run", "-x"]) == "unknown option '-x'")
    #expect(usage(["-c", "a", "-c", "b"]) { _ = try $0.one("config") } == "--config is given twice")
    #expect(usage(["check", "--format", "xml"]) { _ = try $0.isJSON() } == "--format is 'text' or 'json', not 'xml'")
    #expect(
      usage(["run", "--sub", "me"]) { try $0.allow(["config", "demo"]) } == "--sub does not belong to this verb")
    #expect(usage(["run", "--demo", "--config=x"]) { try $0.allow(["config", "demo"]) } == nil)
  }

  @Test func `flags are flags`() throws {
    let arguments = try Arguments(["-h", "run", "--demo"])
    #expect(arguments.has("help") && arguments.has("demo") && !arguments.has("live"))
    #expect(try !arguments.isJSON())
  }

  @Test func `a table's columns are as wide as their widest entry, the last one as it is`() {
    #expect(Terminal.table([["a", "bb", "c"], ["ddd", "e", "ffff"]]) == "a    bb  c\nddd  e   ffff\n")
    #expect(Terminal.table([]) == "")
  }

  @Test func `every verb of the overview has a help text with an example`() {
    for (verb, text) in Help.verbs {
      #expect(Help.overview.contains("\n  \(verb) "), "\(verb)")
      #expect(text.contains("usage: pointgate \(verb)") && text.contains("example: "), "\(verb)")
    }
  }
}
