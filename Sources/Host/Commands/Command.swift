import AdapterAPI
import Glibc

/// The command line: finds the verb and carries it out.
///
/// Exit statuses: 0 done, 1 the configuration or another checked thing is bad, 2 wrong usage, 3 a service that had to be
/// reached was not, or the output could not be written, 70 a bug.
enum Command {
  /// Carries out the command line and returns the exit status: 3 where a part of the output could not be written.
  static func run(_ words: [String]) -> Int32 {
    let status = carryOut(words)
    guard let problem = Terminal.outputProblem else { return status }
    Terminal.error("pointgate: \(problem)\n")
    return 3
  }

  private static func carryOut(_ words: [String]) -> Int32 {
    var program = "pointgate"
    do throws(Arguments.UsageError) {
      var arguments = try Arguments(words)
      if arguments.words.isEmpty {
        if arguments.has(.help) { arguments.words = [HelpCommand.verb.name] }
        if arguments.has(.version) { arguments.words = [VersionCommand.verb.name] }
      }
      guard !arguments.words.isEmpty else { throw .init("no command given") }
      let verbs = try Verb.named(arguments.words)
      if arguments.has(.help), verbs[0].name != HelpCommand.verb.name {
        ProcessSignals.release()
        Terminal.out(HelpCommand.text(of: verbs))
        Terminal.closeOutput()
        return 0
      }
      guard verbs.count == 1 else {
        let names = verbs.map { "'\($0.name)'" }.joined(separator: " or ")
        throw .init("command '\(arguments.words[0])' is incomplete; use \(names)")
      }
      let verb = verbs[0]
      if verb.name != HelpCommand.verb.name { program += " \(verb.name)" }
      arguments.words.removeFirst(verb.name.split(separator: " ").count)
      try arguments.check(for: verb)
      if verb.runsUntilSignal { return try verb.run(arguments) }
      ProcessSignals.release()
      defer { Terminal.closeOutput() }
      return try verb.run(arguments)
    } catch {
      ProcessSignals.release()
      let separator = error.message.hasSuffix("?") ? " See" : "; see"
      Terminal.error("pointgate: \(error.message)\(separator) '\(program) --help'\n")
      return 2
    }
  }
}

extension Arguments {
  func source() throws(UsageError) -> ConfigurationSource {
    ConfigurationSource(file: try configurationFile(), environment: Terminal.environment())
  }

  /// Reads the configuration for a verb that needs a good one. Where it has errors, prints the problems and returns nil.
  func configuration() throws(UsageError) -> CheckedConfiguration? {
    let result = try source().load()
    if result.checked == nil { Terminal.error(ProblemPrinter.text(result.loaded, carets: isatty(2) == 1)) }
    return result.checked
  }
}
