import AdapterAPI
import Glibc

/// The verbs of the command line, and the exit statuses: 0 done, 1 what was checked is bad, 2 wrong usage, 3 something that had to
/// be reached was not, 70 a bug of ours.
enum Command {
  static let defaultFile = "config/gateway.yaml"

  /// Carries out the command line; returns the exit status.
  static func run(_ words: [String]) -> Int32 {
    do throws(Arguments.UsageError) {
      let arguments = try Arguments(words)
      guard let verb = arguments.words.first else {
        if arguments.has("help") {
          Terminal.out(Help.overview)
          return 0
        }
        throw Arguments.UsageError(message: "what shall I do?")
      }
      let rest = Array(arguments.words.dropFirst())
      if verb == "help" {
        Terminal.out(rest.first.flatMap { Help.verbs[$0] } ?? Help.overview)
        return 0
      }
      if arguments.has("help") {
        guard let help = Help.verbs[verb == "validate" ? "check" : verb] else { throw unknown(verb) }
        Terminal.out(help)
        return 0
      }
      switch verb {
      case "run":
        try arguments.allow(["config", "demo"])
        try noMore(rest)
        return try RunCommand.run(arguments)
      case "check", "validate":
        try arguments.allow(["config", "format", "live"])
        try noMore(rest)
        return try CheckCommand.run(arguments)
      case "routes":
        try arguments.allow(["config", "format"])
        try noMore(rest)
        return try ListCommands.routes(arguments)
      case "adapters":
        try arguments.allow(["config", "format"])
        try noMore(rest)
        return try ListCommands.adapters(arguments)
      case "token":
        return try token(rest, arguments)
      case "init":
        try arguments.allow([])
        try noMore(Array(rest.dropFirst()))
        return try InitCommand.run(rest)
      case "version":
        try arguments.allow(["config", "format"])
        try noMore(rest)
        return try VersionCommand.run(arguments)
      default: throw unknown(verb)
      }
    } catch {
      Terminal.error("pointgate: \(error.message)\nTry 'pointgate --help'.\n")
      return 2
    }
  }

  private static func token(_ words: [String], _ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let verbs = ["issue", "status"]
    let more = Array(words.dropFirst())
    switch words.first {
    case "issue":
      try arguments.allow(["config", "sub", "role", "ttl"])
      try noMore(more)
      return try TokenCommand.issue(arguments)
    case "status":
      try arguments.allow(["config", "format"])
      try noMore(more)
      return try TokenStatusCommand.run(arguments)
    case let word?: throw .unknown("token", word, among: verbs)
    case nil: throw .incomplete("token", verbs)
    }
  }

  private static func unknown(_ verb: String) -> Arguments.UsageError {
    let near = Spelling.nearest(to: verb, among: Help.verbs.keys.sorted())
    return Arguments.UsageError(
      message: "unknown verb '\(Spelling.printable(verb))'" + (near.map { "; did you mean '\($0)'?" } ?? ""))
  }

  private static func noMore(_ words: [String]) throws(Arguments.UsageError) {
    if let word = words.first {
      throw Arguments.UsageError(message: "'\(Spelling.printable(word))' is one word too many")
    }
  }

  static func source(_ arguments: Arguments) throws(Arguments.UsageError) -> ConfigurationSource {
    ConfigurationSource(file: try arguments.one("config") ?? defaultFile, environment: Terminal.environment())
  }

  /// Reads the configuration for a verb that needs a good one; prints the problems and gives nil when it is not.
  static func configuration(_ arguments: Arguments) throws(Arguments.UsageError) -> CheckedConfiguration? {
    let result = try source(arguments).load()
    if result.checked == nil { Terminal.error(ProblemPrinter.text(result.loaded, carets: isatty(2) == 1)) }
    return result.checked
  }
}
