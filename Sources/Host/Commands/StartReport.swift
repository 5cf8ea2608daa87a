import AdapterAPI
import Glibc

/// The messages of `run` before the gateway has started. Where the log is JSON they are lines of it, so that a program
/// can read every line; else they are text, with problems in GNU form.
struct StartReport {
  private let loaded: LoadedConfiguration
  /// Nil: text. Its level lets every message through.
  private let log: Log?

  init(_ loaded: LoadedConfiguration) {
    self.loaded = loaded
    log = LogOptions(loaded.log).format == .json ? Log(level: .info, format: .json) : nil
  }

  /// Prints the problems of a configuration that `run` accepts.
  func problems() {
    guard let log else {
      for problem in loaded.problems { Terminal.error(ProblemPrinter.line(problem, file: loaded.file) + "\n") }
      return
    }
    write(to: log)
    log.flush()
  }

  /// Prints the problems of a configuration with errors.
  func refused() {
    guard let log else { return Terminal.error(ProblemPrinter.text(loaded, carets: isatty(2) == 1)) }
    write(to: log)
    log.error(
      "not started: the configuration is refused",
      [("file", "\(loaded.file)"), ("reason", "\(ProblemPrinter.summary(loaded))")])
    log.flush()
  }

  /// Prints why the gateway did not start.
  func failed(_ message: String) {
    guard let log else { return Terminal.error("pointgate: \(message)\n") }
    log.error("not started", [("reason", "\(message)")])
    log.flush()
  }

  private func write(to log: Log) {
    for problem in loaded.problems {
      log.write(problem.severity == .error ? .error : .warning, "the configuration has a problem") {
        ProblemPrinter.logFields(problem, file: loaded.file)
      }
    }
  }
}
