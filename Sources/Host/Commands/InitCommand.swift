import AdapterAPI

/// `pointgate init NAME`: prints a small commented configuration, alone on stdout.
enum InitCommand {
  static let verb = Verb(
    name: "init", summary: "prints a small commented configuration to begin with", argument: "NAME",
    details: """
      Prints a small commented configuration, alone on stdout. NAME is one of:

      \(Terminal.table(Starter.all.map { ["  " + $0.name, $0.summary] }).dropLast())
      """,
    example: "pointgate init demo > gateway.yaml"
  ) { arguments throws(Arguments.UsageError) in
    let names = Starter.all.map(\.name)
    let list = "available: \(names.joined(separator: ", "))"
    guard let name = arguments.words.first else { throw .init("'init' needs the name of a configuration; \(list)") }
    guard let starter = Starter.named(name) else {
      let hint = Spelling.hint(for: name, among: names)
      throw .init("unknown configuration '\(Spelling.printable(name))'\(hint.isEmpty ? "; \(list)" : hint)")
    }
    Terminal.out(starter.text)
    return 0
  }
}
