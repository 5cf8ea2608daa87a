import AdapterAPI

/// A verb of the command line: parsing, help and the choice of what runs all read this value.
struct Verb: Sendable {
  /// One word, or two where verbs form a group: `check`, `token issue`.
  let name: String
  /// A second name.
  var alias: String?
  /// The line of the overview.
  let summary: String
  /// The placeholder of the arguments after the name, as the usage line shows it; nil where the verb takes none.
  var argument: String?
  var argumentLimit = 1
  /// The verb waits for signals (`ProcessSignals.next`) instead of ending by itself.
  var runsUntilSignal = false
  var options: [Option] = []
  /// The paragraphs of the verb's help.
  let details: String
  let example: String
  /// Carries out the verb and returns the exit status.
  let run: @Sendable (Arguments) throws(Arguments.UsageError) -> Int32

  /// An option. Options may stand before and after the verb.
  struct Option: Sendable {
    /// With its dashes: `--config`.
    let name: String
    var short: String?
    /// The placeholder of the value; nil where the option takes none.
    var value: String?
    var use = Use.optional
    let help: String

    enum Use: Sendable { case optional, required, repeatable }

    static let config = Option(
      name: "--config", short: "-c", value: "FILE",
      help: "the configuration; without it gateway.yaml, or config/gateway.yaml where that does not exist")
    static let format = Option(name: "--format", value: "text|json", help: "the form of the output; text by default")
    /// `--config` of a verb that reads no configuration.
    static let unusedConfig = Option(name: "--config", short: "-c", value: "FILE", help: "accepted, but not used")
    static let help = Option(
      name: "--help", short: "-h", help: "this text, or the help of the command that stands beside it")
    static let version = Option(name: "--version", help: "the same as the command 'version'")
  }

  /// The verbs in the order of the overview.
  static let all = [
    RunCommand.verb, InitCommand.verb, CheckCommand.verb, RoutesCommand.verb, AdaptersCommand.verb,
    TokenIssueCommand.verb, TokenStatusCommand.verb, VersionCommand.verb, HelpCommand.verb,
  ]

  /// The options of all verbs.
  static let allOptions = all.flatMap(\.options)

  /// Returns the verb that `words` begin with. Where they are the first word of a group only, returns the group.
  ///
  /// - Parameter words: not empty.
  static func named(_ words: [String]) throws(Arguments.UsageError) -> [Verb] {
    for count in [2, 1] where words.count >= count {
      let name = words.prefix(count).joined(separator: " ")
      if let verb = all.first(where: { $0.name == name || $0.alias == name }) { return [verb] }
    }
    let group = all.filter { $0.name.hasPrefix(words[0] + " ") }
    if words.count == 1, !group.isEmpty { return group }
    let name = words.prefix(group.isEmpty ? 1 : 2).joined(separator: " ")
    let names = (group.isEmpty ? all : group).map(\.name)
    throw .init("unknown command '\(Spelling.printable(name))'\(Spelling.hint(for: name, among: names))")
  }
}
