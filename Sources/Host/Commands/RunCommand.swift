import AdapterAPI
import CLinux
import Glibc

/// `pointgate run`: starts the gateway and waits for signals, on the main thread.
enum RunCommand {
  private static let demo = Verb.Option(
    name: "--demo", help: "mock adapter, store in memory, a temporary secret, and a curl line with a valid token")

  static let verb = Verb(
    name: "run", summary: "runs the server in the foreground; run --demo needs no configuration", argument: "[FILE]",
    runsUntilSignal: true, options: [.config, demo],
    details: """
      Runs the server in the foreground until SIGTERM or SIGINT. These let the requests in flight finish first; a second
      signal ends the server at once. SIGHUP reads the configuration again. SIGPIPE, SIGUSR1 and SIGUSR2 are ignored. When
      the server accepts connections, it prints one line on stdout:
      ready http://127.0.0.1:8080 admin http://127.0.0.1:9090
      """,
    example: "pointgate run -c config/ecoctrl.yaml"
  ) { arguments throws(Arguments.UsageError) in
    guard arguments.has(demo) else { return serve(try arguments.source(), isDemo: false) }
    guard arguments.all(.config).isEmpty, arguments.words.isEmpty else {
      throw .init("'--demo' has its own configuration; remove the other one")
    }
    return serve(Demo.source(), isDemo: true)
  }

  private static func serve(_ source: ConfigurationSource, isDemo: Bool) -> Int32 {
    raiseDescriptorLimit()
    returnLargeBlocks()
    let result = source.load()
    let report = StartReport(result.loaded)
    guard let checked = result.checked else {
      report.refused()
      return 1
    }
    report.problems()
    let log = Log()
    log.configure(LogOptions(checked.configuration.log))
    let gateway: Gateway
    do throws(Gateway.StartError) {
      gateway = try start(checked, source, log, isDemo: isDemo)
    } catch {
      _ = log.flush()
      report.failed(error.message)
      return error.exitStatus
    }
    if isDemo { Terminal.error(Demo.banner(gateway)) }
    gateway.logStart(version: VersionCommand.version)
    Terminal.out("ready http://\(gateway.address) admin http://\(gateway.adminAddress)\n")
    if Terminal.outputProblem == nil { waitForEnd(gateway) }
    ProcessSignals.endAtNext()
    gateway.drain()
    return 0
  }

  /// Starts the gateway. A demo takes free ports where the usual ones are busy.
  private static func start(
    _ checked: CheckedConfiguration, _ source: ConfigurationSource, _ log: Log, isDemo: Bool
  ) throws(Gateway.StartError) -> Gateway {
    try Gateway.checkDescriptors(checked.configuration)
    do throws(Gateway.StartError) {
      return try Gateway(checked, from: source, log: log)
    } catch {
      guard isDemo, error.exitStatus == 3 else { throw error }
      var configuration = checked.configuration
      let (port, adminPort) = (configuration.listen.address.port, configuration.admin.address.port)
      configuration.listen.address.port = 0
      configuration.admin.address.port = 0
      Terminal.error("Port \(port) or \(adminPort) is busy; free ports are used instead.\n")
      let moved = CheckedConfiguration(loaded: checked.loaded, configuration: configuration, keys: checked.keys)
      return try Gateway(moved, from: source, log: log)
    }
  }

  /// Raises the limit of open descriptors as far as the system allows: each connection takes one.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(resource, &limit)
  }

  /// Makes malloc return large blocks to the system, and keep small ones.
  ///
  /// A block above the threshold is a mapping of its own and leaves the process when it is freed. By default malloc raises the
  /// threshold with each large block that is freed (mallopt(3)), so that the memory of a burst of long responses would stay
  /// for good. Of small blocks each loop keeps up to 16 MB: with the default of 128 KB a heap shrinks and grows with each
  /// response of 64 KB (54 µs instead of 34 µs with 200 clients).
  private static func returnLargeBlocks() {
    _ = mallopt(PG_M_MMAP_THRESHOLD, 256 << 10)
    _ = mallopt(PG_M_TRIM_THRESHOLD, 16 << 20)
  }

  /// The interval at which files with JWK sets are read again, in seconds.
  private static let keySetInterval = 2

  /// Returns when SIGINT or SIGTERM has come.
  private static func waitForEnd(_ gateway: Gateway) {
    while true {
      switch ProcessSignals.next(atMost: gateway.hasKeySets ? keySetInterval : nil) {
      case nil: gateway.checkKeySets()
      case SIGHUP: gateway.reload()
      default: return
      }
    }
  }
}
