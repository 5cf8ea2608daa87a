import Foundation
import Synchronization

/// The built binary as a process of its own, in a temporary folder that goes with it.
final class GatewayProcess: @unchecked Sendable {
  // Used by one test; other threads of the test only read the ports, which are set before those threads start.
  struct Broken: Error, CustomStringConvertible {
    let description: String
  }

  let folder: URL
  let configFile: URL
  let environment: [String: String]
  private(set) var pid: pid_t = 0
  private(set) var port: UInt16 = 0
  private(set) var adminPort: UInt16 = 0
  /// As waitpid gave it, once it has ended.
  private var status: Int32?

  /// Writes the configuration; starts nothing.
  init(_ configuration: String, environment: [String: String]) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "pointgate-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    configFile = folder.appending(path: "gateway.yaml")
    self.environment = environment
    try write(configuration)
  }

  deinit {
    kill()
    try? FileManager.default.removeItem(at: folder)
  }

  func write(_ configuration: String) throws { try Data(configuration.utf8).write(to: configFile) }

  /// Starts it and waits for the ready line.
  func start() throws {
    try spawn(["run", "--config", configFile.path])
    let line = try firstValue("the ready line on stdout", within: 20) { () throws -> String? in
      if let line = standardOutput.split(separator: "\n", omittingEmptySubsequences: false).dropLast().first {
        return String(line)
      }
      if hasEnded {
        throw Broken(description: "the gateway ended at the start, status \(exitStatus ?? -1): \(log.suffix(600))")
      }
      return nil
    }
    let pattern = #/ready http://127\.0\.0\.1:(\d+) admin http://127\.0\.0\.1:(\d+)/#
    guard let match = line.wholeMatch(of: pattern), let port = UInt16(match.1), let admin = UInt16(match.2) else {
      throw Broken(description: "not the ready line: \(line)")
    }
    (self.port, adminPort) = (port, admin)
  }

  /// Starts it with these arguments, stdout and stderr into files of the folder. stderr is appended to over restarts.
  func spawn(_ arguments: [String]) throws {
    try Data().write(to: outputFile)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputFile.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, logFile.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    try SpawnExtensions.changeDirectory(&actions, folder.path)
    // Sockets of tests that run beside must not live on in the gateway.
    try SpawnExtensions.closeFrom(&actions, 3)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let binary = try Self.binary.get()
    var argv: [UnsafeMutablePointer<CChar>?] = ([binary] + arguments).map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    status = nil
    let failure = posix_spawn(&pid, binary, &actions, &attributes, &argv, &envp)
    guard failure == 0 else { throw Broken(description: "posix_spawn: \(String(cString: strerror(failure)))") }
  }

  /// Runs it to its end; the exit status.
  func run(_ arguments: [String], within seconds: Double = 15) throws -> Int32 {
    try spawn(arguments)
    return try waitForExit(within: seconds)
  }

  func signal(_ number: Int32) { if !hasEnded { Glibc.kill(pid, number) } }

  func kill() {
    guard pid > 0, !hasEnded else { return }
    Glibc.kill(pid, SIGKILL)
    var raw: Int32 = 0
    while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
    status = raw
  }

  var hasEnded: Bool {
    if status != nil { return true }
    var raw: Int32 = 0
    if pid > 0, waitpid(pid, &raw, WNOHANG) == pid { status = raw }
    return status != nil
  }

  /// The exit status, or minus the signal; nil while it runs.
  var exitStatus: Int32? {
    guard hasEnded, let status else { return nil }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
  }

  func waitForExit(within seconds: Double = 15) throws -> Int32 {
    try firstValue("the end of the gateway", within: seconds) { exitStatus }
  }

  var standardOutput: String { text(of: outputFile) }
  /// Everything on stderr, over all starts.
  var log: String { text(of: logFile) }

  /// Resident memory in bytes.
  var residentMemory: Int {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    return (text.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) } ?? 0) * 1024
  }

  private var outputFile: URL { folder.appending(path: "stdout") }
  private var logFile: URL { folder.appending(path: "stderr") }
  private func text(of file: URL) -> String { String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self) }

  /// POINTGATE_BINARY, or the one that was built with these tests.
  private static let binary = Result<String, any Error> {
    if let path = ProcessInfo.processInfo.environment["POINTGATE_BINARY"] { return path }
    var candidates: [URL] = []
    if let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      candidates.append(URL(filePath: own).deletingLastPathComponent().appending(path: "pointgate"))
    }
    candidates.append(PackageRoot.url.appending(path: ".build/debug/pointgate"))
    guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
      throw Broken(description: "no pointgate binary; build it, or name one in POINTGATE_BINARY")
    }
    return found.path
  }
}

/// Functions of glibc that its Swift module does not show without _GNU_SOURCE.
private enum SpawnExtensions {
  static func changeDirectory(_ actions: inout posix_spawn_file_actions_t, _ path: String) throws {
    typealias Function =
      @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32
    let function = unsafeBitCast(try find("posix_spawn_file_actions_addchdir_np"), to: Function.self)
    _ = function(&actions, path)
  }

  static func closeFrom(_ actions: inout posix_spawn_file_actions_t, _ first: Int32) throws {
    typealias Function = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    let function = unsafeBitCast(try find("posix_spawn_file_actions_addclosefrom_np"), to: Function.self)
    _ = function(&actions, first)
  }

  private static func find(_ name: String) throws -> UnsafeMutableRawPointer {
    guard let function = dlsym(nil, name) else { throw GatewayProcess.Broken(description: "glibc has no \(name)") }
    return function
  }
}

/// Where the package lies: the nearest folder above this file that has a manifest.
enum PackageRoot {
  static let url: URL = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path) {
      folder.deleteLastPathComponent()
    }
    return folder
  }()
}
