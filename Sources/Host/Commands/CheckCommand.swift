import AdapterAPI
import Glibc

/// `pointgate check`
enum CheckCommand {
  private static let live = Verb.Option(name: "--live", help: "also tries the configuration, as described above")

  static let verb = Verb(
    name: "check", alias: "validate",
    summary: "reads a configuration and prints every problem; check --live also tries it", argument: "[FILE]",
    options: [.config, live, .format],
    details: """
      Reads the configuration exactly as 'run' does and prints every problem. Starts nothing, sends nothing. The exit status
      is 1 when there is an error; warnings do not change it.

      With --live it then resolves each upstream's name, connects, fetches one token of its own, and reads one point that no
      building has. It also prints what 'run' would change in the database, and tests what it needs there: the right to write,
      and in PostgreSQL the encoding UTF8 and enough connections. Each step is printed with its time and may take ten
      seconds. The stored tokens are neither read nor changed. The exit status is 3 when a service was not reached or its
      response was wrong. It is 1 when the database URL is not valid, or the database belongs to another program, or lacks
      what the gateway needs, or its schema is newer, or older and may not be migrated.
      """,
    example: "pointgate check --live config/gateway.yaml", run: run)

  private static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    let result = try arguments.source().load()
    guard arguments.has(live) else {
      if isJSON { json(result.loaded) } else { Terminal.out(text(result.loaded)) }
      return result.checked == nil ? 1 : 0
    }
    if !isJSON { Terminal.out(text(result.loaded)) }
    // A configuration with errors is not tried: the calls might send a secret in plain text.
    guard let checked = result.checked else {
      if isJSON { json(result.loaded, []) }
      Terminal.error("pointgate: no step was tried, because the configuration has errors\n")
      return 1
    }
    let log = Log(level: .error, format: .text, access: false)
    let steps = CommandLoop.run { group in await LiveCheck(checked: checked, group: group, log: log).run() }
    log.flush()
    if isJSON {
      json(result.loaded, steps)
    } else {
      Terminal.out("\n" + Terminal.table(steps.map(\.row)) + steps.summary + "\n")
    }
    return steps.exitStatus
  }

  /// Prints the problems, and the steps of `--live` where they were asked for.
  private static func json(_ loaded: LoadedConfiguration, _ steps: [LiveStep]? = nil) {
    Terminal.json { writer in
      writer.object { writer in
        ProblemPrinter.write(loaded, to: &writer)
        if let steps { writer.member("steps", arrayOf: steps) { $1.write(to: &$0) } }
      }
    }
  }

  private static func text(_ loaded: LoadedConfiguration) -> String {
    ProblemPrinter.text(loaded, carets: isatty(1) == 1)
  }
}
