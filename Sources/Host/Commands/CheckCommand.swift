import Glibc

/// `pointgate check`
enum CheckCommand {
  static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    let result = try Command.source(arguments).load()
    Terminal.out(
      isJSON ? ProblemPrinter.json(result.loaded) : ProblemPrinter.text(result.loaded, carets: isatty(1) == 1))
    return result.checked == nil ? 1 : 0
  }
}
