import AdapterAPI
import Glibc

/// `pointgate check`
enum CheckCommand {
  static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    let result = try Command.source(arguments).load()
    let status: Int32 = result.checked == nil ? 1 : 0
    guard arguments.has("live") else {
      if isJSON { json(result.loaded) } else { Terminal.out(text(result.loaded)) }
      return status
    }
    if !isJSON { Terminal.out(text(result.loaded)) }
    // What 'run' refuses is not tried either: it might send a secret in plain text.
    guard let checked = result.checked, result.loaded.stopping.isEmpty else {
      if isJSON { json(result.loaded, []) }
      Terminal.error("pointgate: nothing was tried, because 'run' refuses this configuration\n")
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
