import Foundation
import Synchronization

/// A PostgreSQL server for tests with a new data directory, on a free port of 127.0.0.1. Removed with the object.
public final class PostgresServer: Sendable {
  public enum StopMode: Sendable {
    /// Like a crash: connections break, and the next start recovers.
    case immediate
    /// Closes connections with a message and shuts down cleanly.
    case fast
  }

  private struct State {
    /// The process id of the postmaster while it runs.
    var pid: pid_t?
    var port: UInt16
    var databases = 0
    var isFrozen = false
  }

  private let home: PostgresHome
  private let folder: String
  private let state: Mutex<State>

  private static let one = Result<PostgresServer, any Error> { try PostgresServer() }

  /// The server that the tests of this process share. A test that stops or freezes a server creates its own.
  public static func shared() throws -> PostgresServer { try one.get() }

  /// Starts a server, which ends with the object.
  public init() throws {
    home = try PostgresHome.shared.get()
    folder = try home.newFolder()
    state = Mutex(State(port: Self.anyPort()))
    var attempts = 0
    while true {
      do {
        try start()
        return
      } catch let error as PortTaken {
        attempts += 1
        guard attempts < 20 else { throw error }
        state.withLock { $0.port = Self.anyPort() }
      }
    }
  }

  deinit {
    stop(.immediate)
    try? FileManager.default.removeItem(atPath: folder)
  }

  public var port: UInt16 { state.withLock { $0.port } }

  /// Creates an empty database and returns its URL.
  public func newDatabase() throws -> String {
    let name = state.withLock { state in
      state.databases += 1
      return "test\(state.databases)"
    }
    try sql("CREATE DATABASE \(name)", database: "postgres")
    return url(of: name)
  }

  public func url(of database: String) -> String { "postgres://postgres@127.0.0.1:\(port)/\(database)" }

  /// Returns psql's output, unaligned and without headers. `database` is a name or a URL.
  @discardableResult
  public func sql(_ text: String, database: String) throws -> String {
    let target = database.contains("://") ? database : url(of: database)
    let arguments = ["\(home.programs.folder)/psql", "-AtXq", "-v", "ON_ERROR_STOP=1", "-d", target, "-c", text]
    return try Command(arguments, environment: PostgresPrograms.environment).run()
      .trimmingCharacters(in: .newlines)
  }

  /// Starts the server on its port and waits until it accepts connections.
  public func start() throws {
    try state.withLock { state in
      guard state.pid == nil else { return }
      let settings = [
        "listen_addresses=127.0.0.1", "port=\(state.port)", "unix_socket_directories=\(folder)", "fsync=off",
        "full_page_writes=off", "max_connections=100", "shared_buffers=16MB", "autovacuum=off",
        // Shared memory is a file in the folder, so that it is removed with it.
        "dynamic_shared_memory_type=mmap",
      ]
      try? FileManager.default.removeItem(atPath: log)
      var command = try home.programs.command(
        "\(home.programs.folder)/postgres", ["-D", data] + settings.flatMap { ["-c", $0] }, in: folder)
      command.output = .file(log)
      command.errors = .file(log)
      command.isDetached = true
      let pid = try command.spawn()
      try waitUntilReady(pid)
      state.pid = pid
    }
  }

  /// Stops the server and waits for its end.
  public func stop(_ mode: StopMode) {
    state.withLock { state in
      guard let pid = state.pid else { return }
      if state.isFrozen { Self.signal(SIGCONT, to: Self.family(of: pid)) }
      kill(pid, mode == .immediate ? SIGQUIT : SIGINT)
      _ = Command.wait(for: pid)
      state.pid = nil
      state.isFrozen = false
    }
  }

  /// Suspends the processes but keeps the connections: clients wait.
  public func freeze() {
    state.withLock { state in
      guard let pid = state.pid else { return }
      // The postmaster first, so that it starts no further children.
      kill(pid, SIGSTOP)
      Self.signal(SIGSTOP, to: Self.family(of: pid))
      state.isFrozen = true
    }
  }

  public func thaw() {
    state.withLock { state in
      guard let pid = state.pid else { return }
      Self.signal(SIGCONT, to: Self.family(of: pid))
      state.isFrozen = false
    }
  }

  private var data: String { "\(folder)/data" }
  private var log: String { "\(folder)/log" }

  private struct PortTaken: Error {}

  /// Waits until the eighth line of postmaster.pid is "ready", as pg_ctl does.
  private func waitUntilReady(_ pid: pid_t) throws {
    do {
      try eventually("PostgreSQL's start", within: 30) { try isReady(pid) }
    } catch let error as NotInTime {
      kill(pid, SIGQUIT)
      _ = Command.wait(for: pid)
      throw error
    }
  }

  private func isReady(_ pid: pid_t) throws -> Bool {
    let lines =
      (try? String(contentsOfFile: "\(data)/postmaster.pid", encoding: .utf8))?
      .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) } ?? []
    if lines.count >= 8, lines[0] == "\(pid)", lines[7] == "ready" { return true }
    if let status = Command.statusIfEnded(pid) {
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      if text.contains("Address already in use") { throw PortTaken() }
      throw Command.Failure("PostgreSQL ended at its start, status \(status): \(text.suffix(2000))")
    }
    return false
  }

  /// A port below the range that the kernel assigns to clients, so that it is still free when the server starts again.
  private static func anyPort() -> UInt16 { .random(in: 15_000..<32_000) }

  /// The postmaster and its children.
  private static func family(of pid: pid_t) -> [pid_t] {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    let children = processes.compactMap { pid_t($0) }.filter { child in
      let status = (try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)) ?? ""
      return status.contains("\nPPid:\t\(pid)\n")
    }
    return [pid] + children
  }

  private static func signal(_ number: Int32, to processes: [pid_t]) {
    for process in processes { kill(process, number) }
  }
}
