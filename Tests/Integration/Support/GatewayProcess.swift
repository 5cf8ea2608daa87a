import Foundation
import Synchronization
import TestSupport

/// The built binary as a child process, in a temporary folder that is removed with the object.
final class GatewayProcess: @unchecked Sendable {
  // Used by the thread of one test. Its other threads read the ports only, which have a lock.
  struct Broken: Error, CustomStringConvertible {
    let description: String
  }

  let folder: URL
  let configFile: URL
  let environment: [String: String]
  /// A command that executes the binary and its arguments, such as a shell.
  var prefix: [String] = []
  private(set) var pid: pid_t = 0
  private let ports = Mutex<(public: UInt16, admin: UInt16)>((0, 0))
  var port: UInt16 { ports.withLock { $0.public } }
  var adminPort: UInt16 { ports.withLock { $0.admin } }
  /// The result of `exitStatus`, once the process has ended.
  private var status: Int32?

  /// Writes the configuration, without starting the binary.
  init(_ configuration: String, environment: [String: String]) throws {
    folder = try Self.home.get().folder.appending(path: UUID().uuidString)
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

  /// Starts the gateway and waits for the ready line.
  func start() throws {
    try spawnRun()
    try waitUntilReady()
  }

  func spawnRun() throws { try spawn(["run", "--config", configFile.path]) }

  func waitUntilReady() throws {
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
    ports.withLock { $0 = (port, admin) }
  }

  /// Starts the binary with stdout and stderr in files of the folder. A restart appends to stderr.
  func spawn(_ arguments: [String]) throws {
    try Data().write(to: outputFile)
    var command = Command(prefix + [try Self.binary.get()] + arguments, environment: environment, folder: folder.path)
    command.output = .file(outputFile.path)
    command.errors = .file(logFile.path)
    status = nil
    pid = try command.spawn()
  }

  /// Runs a command of one word on the configuration and returns the exit status.
  func run(_ command: String) throws -> Int32 { try run([command, "--config", configFile.path]) }

  /// Runs a command that may wait for a store or an upstream.
  func runOnConfiguration(_ words: [String]) throws -> Int32 { try run(words + ["-c", configFile.path], within: 60) }

  /// Runs the binary to its end and returns the exit status.
  func run(_ arguments: [String], within seconds: Double = 15) throws -> Int32 {
    try spawn(arguments)
    return try waitForExit(within: seconds)
  }

  func signal(_ number: Int32) { if !hasEnded { Glibc.kill(pid, number) } }

  func kill() {
    guard pid > 0, !hasEnded else { return }
    Glibc.kill(pid, SIGKILL)
    status = Command.wait(for: pid)
  }

  var hasEnded: Bool { exitStatus != nil }

  /// The exit status, or the negative signal number; nil while the process runs.
  var exitStatus: Int32? {
    if status == nil, pid > 0 { status = Command.statusIfEnded(pid) }
    return status
  }

  func waitForExit(within seconds: Double = 15) throws -> Int32 {
    try firstValue("the end of the gateway", within: seconds) { exitStatus }
  }

  /// The JSON on stdout; nil when it is not JSON.
  var json: Any? { try? JSONSerialization.jsonObject(with: Data(standardOutput.utf8)) }
  var standardOutput: String { text(of: outputFile) }
  /// The text on stderr since the first start.
  var log: String { text(of: logFile) }

  /// Suspends every thread of the process until `SIGCONT`.
  func stop() throws {
    signal(SIGSTOP)
    let tasks = "/proc/\(pid)/task"
    try eventually("the gateway to stop") {
      try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy {
        try String(contentsOfFile: "\(tasks)/\($0)/status", encoding: .utf8).contains("\nState:\tT")
      }
    }
  }

  /// Resident memory in bytes.
  var residentMemory: Int {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    return (text.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) } ?? 0) * 1024
  }

  private var outputFile: URL { folder.appending(path: "stdout") }
  private var logFile: URL { folder.appending(path: "stderr") }
  private func text(of file: URL) -> String { String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self) }

  /// The folder of all gateways of this process. A watchdog kills those that still run when this process ends.
  private static let home = Result<(folder: URL, watchdog: Watchdog), any Error> {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pointgate-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let watchdog = try Watchdog(
      """
      for process in /proc/[0-9]*; do
        case "$(readlink "$process/cwd")" in "$1"/*) kill -KILL "${process#/proc/}" ;; esac
      done
      rm -rf "$1"
      """, folder.path)
    return (folder, watchdog)
  }

  /// The path in POINTGATE_BINARY, or the binary that was built with these tests.
  static let binary = Result<String, any Error> {
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

/// The package's folder: the nearest one above this file that has a manifest.
enum PackageRoot {
  static let url: URL = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path) {
      folder.deleteLastPathComponent()
    }
    return folder
  }()
}
