import Foundation
import TestSupport
import Testing

/// Command prefixes that start the binary in an unusual environment.
enum Prefix {
  /// With this redirection of a shell.
  static func redirected(_ redirection: String) -> [String] { ["/bin/sh", "-c", #"exec "$0" "$@" "# + redirection] }

  /// With this limit on the number of open descriptors.
  static func descriptors(_ limit: Int) -> [String] {
    ["/bin/sh", "-c", #"ulimit -n \#(limit) && exec "$0" "$@""#]
  }

  /// In a mount namespace of its own, with empty folders in place of these.
  static func hiding(_ folders: String...) -> [String] {
    let mounts = folders.map { "mount -t tmpfs none \($0) && " }.joined()
    return namespace + ["--mount", "/bin/sh", "-c", mounts + #"exec "$0" "$@""#]
  }

  /// As the first process of a PID namespace. The process that the test has started is the parent.
  static let firstProcess = namespace + ["--pid", "--fork", "--kill-child"]

  /// Other users than root need a user namespace, which some systems do not allow.
  private static let namespace = ["/usr/bin/unshare"] + (getuid() == 0 ? [] : ["--user", "--map-root-user"])

  static let hasNamespaces =
    (try? Command(hiding("/proc") + ["/bin/true"]).run()) != nil
    && (try? Command(firstProcess + ["/bin/true"]).run()) != nil

  /// The dynamic loader, which may start a program too.
  static let loader = loaders.first { access($0, X_OK) == 0 }

  private static let loaders: [String] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
}

/// Arguments, signals and the environment of the process.
@Suite(.blocking) struct ProcessTests {
  private static let patient = GatewayConfiguration.upstream(["first_byte_timeout": "60s", "total_timeout": "60s"])

  private func program(_ prefix: [String] = []) throws -> GatewayProcess {
    let program = try GatewayProcess(GatewayConfiguration().text, environment: Lab.environment(nil))
    program.prefix = prefix
    return program
  }

  private func lab(_ prefix: [String], _ configuration: GatewayConfiguration = GatewayConfiguration()) throws -> Lab {
    let lab = try Lab(configuration, isStarted: false)
    lab.gateway.prefix = prefix
    try lab.gateway.start()
    return lab
  }

  // MARK: Arguments and files of the system

  @Test(.enabled(if: Prefix.loader != nil, "no dynamic loader at a known place"))
  func `a program that the dynamic loader starts, as preloading tools do, reads main's arguments`() throws {
    let program = try program([try #require(Prefix.loader), "--preload", "libc.so.6"])
    #expect(try program.run(["init", "demo"]) == 0)
    #expect(program.standardOutput.hasPrefix("# A demonstration"))
    #expect(try program.run(["check", program.configFile.path]) == 0)
  }

  @Test(
    .enabled(if: Prefix.hasNamespaces, "unshare is not permitted here"),
    arguments: [["/proc"], ["/proc", "/dev", "/sys"]])
  func `commands and run work without /proc`(_ hidden: [String]) throws {
    let prefix = hidden.count == 1 ? Prefix.hiding("/proc") : Prefix.hiding("/proc", "/dev", "/sys")
    let program = try program(prefix)
    #expect(try program.run(["version"]) == 0)
    #expect(program.standardOutput.hasPrefix("pointgate"))
    #expect(try program.run("check") == 0)

    let lab = try lab(prefix)
    try lab.expectHealthy()
    #expect(try lab.metric("process_cpu_seconds_total") != nil)
    #expect(try lab.metric("process_max_fds") ?? 0 > 0)
    let start = try #require(try lab.metric("process_start_time_seconds"))
    #expect(start <= Date().timeIntervalSince1970 + 1 && start > Date().timeIntervalSince1970 - 600)
    #expect(try lab.metric("process_resident_memory_bytes") == nil)
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `descriptors 0 and 2 that are closed at the start are opened on a file that takes nothing`() throws {
    let lab = try lab(Prefix.redirected("<&- 2>&-"))
    try lab.expectHealthy()
    for number in [0, 2] {
      let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(lab.gateway.pid)/fd/\(number)")
      #expect(path == "/dev/null")
    }
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    #expect(lab.gateway.standardOutput.split(separator: "\n").count == 1)
  }

  // MARK: Signals

  private static let unused = [
    SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXFSZ, SIGTTIN, SIGTTOU, 16, 34, 64,
  ]

  @Test func `signals that the gateway does not use end nothing`() throws {
    let lab = try lab([])
    for number in Self.unused { lab.gateway.signal(number) }
    try lab.expectHealthy()
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
  }

  @Test func `signals that come before the configuration is read end nothing, and SIGHUP reloads later`() throws {
    let lab = try Lab(isStarted: false)
    let gateway = lab.gateway
    let pipe = gateway.folder.appending(path: "slow.yaml").path
    #expect(mkfifo(pipe, 0o600) == 0)
    try gateway.spawn(["run", "-c", pipe])
    let writer = try Self.writer(of: pipe)
    for number in Self.unused + [SIGHUP] { gateway.signal(number) }
    // The reload reads a file.
    try FileManager.default.removeItem(atPath: pipe)
    try FileManager.default.copyItem(atPath: gateway.configFile.path, toPath: pipe)
    let text = Array(GatewayConfiguration().text.utf8)
    #expect(write(writer, text, text.count) == text.count)
    close(writer)
    try gateway.waitUntilReady()
    try eventually("the reload") { gateway.log.contains("the configuration was reloaded") }
    gateway.signal(SIGTERM)
    #expect(try gateway.waitForExit() == 0)
  }

  /// Opens a named pipe for writing once the gateway has opened it for reading, and waits for the text.
  private static func writer(of pipe: String) throws -> Int32 {
    try firstValue("the reader of the pipe") {
      let writer = open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      return writer >= 0 ? writer : nil
    }
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `a second signal ends a drain at once, with 128 and the signal's number as exit status`(_ number: Int32) throws {
    let lab = try lab([], Self.draining).withToken()
    let busy = try drainForever(lab, lab.gateway.pid)
    defer { busy.socket.close() }
    lab.gateway.signal(number)
    #expect(try lab.gateway.waitForExit(within: 5) == 128 + number)
  }

  @Test(.enabled(if: Prefix.hasNamespaces, "unshare is not permitted here"), arguments: [SIGTERM, SIGINT])
  func `as the first process of a container a second signal ends it too, and unused ones end nothing`(
    _ number: Int32
  ) throws {
    let lab = try lab(Prefix.firstProcess, Self.draining).withToken()
    let children = try String(
      contentsOfFile: "/proc/\(lab.gateway.pid)/task/\(lab.gateway.pid)/children", encoding: .utf8)
    let pid = try #require(Int32(children.trimmingCharacters(in: .whitespaces)))
    for number in Self.unused { Glibc.kill(pid, number) }
    try lab.expectHealthy()
    let busy = try drainForever(lab, pid)
    defer { busy.socket.close() }
    Glibc.kill(pid, number)
    #expect(try lab.gateway.waitForExit(within: 5) == 128 + number)
  }

  private static let draining: GatewayConfiguration = {
    var configuration = patient
    configuration.listen["drain_timeout"] = "60s"
    return configuration
  }()

  /// Starts a drain that waits for a request, and returns the request's connection.
  private func drainForever(_ lab: Lab, _ pid: pid_t) throws -> RawConnection {
    let connection = try lab.begin(.hang)
    Glibc.kill(pid, SIGTERM)
    try eventually("draining") { try lab.ask("/readyz").status == 503 }
    return connection
  }

  @Test func `SIGINT, SIGTERM and SIGHUP end a command that waits`() throws {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      let program = try program()
      let pipe = program.folder.appending(path: "slow.yaml").path
      #expect(mkfifo(pipe, 0o600) == 0)
      try program.spawn(["check", pipe])
      let writer = try Self.writer(of: pipe)
      defer { close(writer) }
      program.signal(number)
      #expect(try program.waitForExit() == -number)
    }
  }
}
