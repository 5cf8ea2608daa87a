import AdapterAPI
import CLinux
import Glibc

/// `pointgate run`: starts the gateway and waits for signals, on the main thread.
enum RunCommand {
  static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    if arguments.has("demo") {
      guard arguments.all("config").isEmpty else {
        throw Arguments.UsageError(message: "--demo brings its own configuration; leave out --config")
      }
      return serve(Demo.source(), demo: true)
    }
    return serve(try Command.source(arguments), demo: false)
  }

  private static func serve(_ source: ConfigurationSource, demo: Bool) -> Int32 {
    let signals = blockSignals()
    raiseDescriptorLimit()
    returnLargeBlocks()
    let result = source.load()
    guard let checked = result.checked, result.loaded.stopping.isEmpty else {
      Terminal.error(ProblemPrinter.text(result.loaded, carets: isatty(2) == 1))
      if result.checked != nil { Terminal.error("pointgate: not started, because 'run' refuses what is named above\n") }
      return 1
    }
    for problem in result.loaded.problems {
      Terminal.error(ProblemPrinter.line(problem, file: result.loaded.file) + "\n")
    }
    let log = Log()
    log.configure(LogOptions(checked.configuration.log))
    let gateway: Gateway
    do throws(Gateway.StartError) {
      gateway = try start(checked, source, log, demo: demo)
    } catch {
      _ = log.flush()
      Terminal.error("pointgate: \(error.message)\n")
      return error.exitStatus
    }
    if demo { Terminal.error(Demo.banner(gateway)) }
    log.info(
      "ready",
      [
        ("version", "\(VersionCommand.version)"), ("address", "\(gateway.address)"),
        ("admin", "\(gateway.adminAddress)"),
        ("config", "\(source.file)"),
      ])
    Terminal.out("ready http://\(gateway.address) admin http://\(gateway.adminAddress)\n")
    waitForEnd(gateway, signals, log)
    return 0
  }

  /// A demo takes a free port where the usual one is busy.
  private static func start(
    _ checked: CheckedConfiguration, _ source: ConfigurationSource, _ log: Log, demo: Bool
  ) throws(Gateway.StartError) -> Gateway {
    do throws(Gateway.StartError) {
      return try Gateway(checked, from: source, log: log)
    } catch {
      guard demo, error.exitStatus == 3 else { throw error }
      var configuration = checked.configuration
      configuration.listen.address.port = 0
      configuration.admin.address.port = 0
      Terminal.error(
        "Port \(checked.configuration.listen.address.port) or \(checked.configuration.admin.address.port) is busy; taking free ones.\n"
      )
      let moved = CheckedConfiguration(loaded: checked.loaded, configuration: configuration, keys: checked.keys)
      return try Gateway(moved, from: source, log: log)
    }
  }

  /// The signals that are waited for; blocked in every thread, so that only `sigwait` takes them. SIGPIPE is ignored.
  private static func blockSignals() -> sigset_t {
    signal(SIGPIPE, SIG_IGN)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGHUP, SIGINT, SIGTERM] { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    return set
  }

  /// Each connection takes a descriptor: as many as the system lets this process have.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(resource, &limit)
  }

  /// A large block is a mapping of its own, and gone when it is freed. Left alone, malloc raises the size from which that is so with
  /// each one that it frees (mallopt(3)), and a burst of long answers leaves its memory behind, for good. Of small blocks each loop
  /// keeps up to 16 MB at hand: with the usual 128 KB a heap shrinks and grows with each answer of 64 KB (54 µs instead of 34 for
  /// 200 clients at once).
  private static func returnLargeBlocks() {
    _ = mallopt(PG_M_MMAP_THRESHOLD, 256 << 10)
    _ = mallopt(PG_M_TRIM_THRESHOLD, 16 << 20)
  }

  /// How often files are looked at that others may change, in seconds.
  private static let lookEvery = 2

  /// The next signal, or nil when the time is over first.
  private static func next(_ signals: inout sigset_t, atMost seconds: Int?) -> Int32? {
    while true {
      if let seconds {
        var time = timespec(tv_sec: seconds, tv_nsec: 0)
        let number = sigtimedwait(&signals, nil, &time)
        if number > 0 { return number }
        if errno == EAGAIN { return nil }
      } else {
        var number: Int32 = 0
        if sigwait(&signals, &number) == 0 { return number }
      }
    }
  }

  private static func waitForEnd(_ gateway: Gateway, _ signals: sigset_t, _ log: Log) {
    var signals = signals
    while true {
      guard let number = next(&signals, atMost: gateway.hasKeySets ? lookEvery : nil) else {
        gateway.checkKeySets()
        continue
      }
      if number == SIGHUP {
        gateway.reload()
        continue
      }
      // A second signal ends at once: let it have its default effect.
      signal(SIGINT, SIG_DFL)
      signal(SIGTERM, SIG_DFL)
      var ends = sigset_t()
      sigemptyset(&ends)
      sigaddset(&ends, SIGINT)
      sigaddset(&ends, SIGTERM)
      pthread_sigmask(SIG_UNBLOCK, &ends, nil)
      gateway.drain()
      return
    }
  }
}
