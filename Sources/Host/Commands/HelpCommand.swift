/// `pointgate help`, and the texts of `--help`, made from the list of verbs.
enum HelpCommand {
  static let verb = Verb(
    name: "help", summary: "this text; help COMMAND: the command's options", argument: "[COMMAND]", argumentLimit: 2,
    options: [.help], details: "Prints the list of commands, or the help of one command.",
    example: "pointgate help check"
  ) { arguments throws(Arguments.UsageError) in
    Terminal.out(arguments.words.isEmpty ? overview : text(of: try Verb.named(arguments.words)))
    return 0
  }

  static var overview: String {
    """
    pointgate: one HTTP contract in front of any building gateway.

    usage: pointgate COMMAND [OPTION …]

    \(Terminal.table(Verb.all.map { ["  \($0.name)", $0.summary] }))
    \(table([.config, .help, .version]))
    exit status: 0 done · 1 a bad configuration or store · 2 wrong usage · 3 a service was not reached · 70 a bug

    Try: pointgate run --demo

    """
  }

  static func text(of verbs: [Verb]) -> String { verbs.map(text).joined(separator: "\n") }

  private static func text(of verb: Verb) -> String {
    let usage = ["usage: pointgate \(verb.name)", verb.argument].compactMap(\.self) + verb.options.map(usage)
    return """
      \(usage.joined(separator: " "))\(verb.alias.map { "        (also: \($0))" } ?? "")

      \(verb.details)

      \(verb.options.isEmpty ? "" : table(verb.options) + "\n")example: \(verb.example)

      """
  }

  private static func usage(of option: Verb.Option) -> String {
    let text = [option.short ?? option.name, option.value].compactMap(\.self).joined(separator: " ")
    return switch option.use {
    case .required: text
    case .optional: "[\(text)]"
    case .repeatable: "[\(text) …]"
    }
  }

  private static func table(_ options: [Verb.Option]) -> String {
    Terminal.table(
      options.map { option in
        let names = [option.short, option.name].compactMap(\.self).joined(separator: ", ")
        return ["  " + names + (option.value.map { " \($0)" } ?? ""), option.help]
      })
  }
}
