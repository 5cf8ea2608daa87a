import Foundation

/// A program to run as a child process. It inherits the streams named here and no other descriptor.
public struct Command: Sendable {
  /// The target of a standard stream.
  public enum Stream: Sendable {
    case nowhere
    /// A file, created if it is missing, and appended to.
    case file(String)
    case descriptor(Int32)
  }

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
  }

  /// The program's path, then its arguments.
  public var arguments: [String]
  public var environment: [String: String]
  public var folder: String
  public var input = Stream.nowhere
  public var output = Stream.nowhere
  public var errors = Stream.nowhere
  /// Whether the child gets a session of its own, where the terminal's signals do not reach it.
  public var isDetached = false

  public init(_ arguments: [String], environment: [String: String] = [:], folder: String = "/") {
    (self.arguments, self.environment, self.folder) = (arguments, environment, folder)
  }

  /// Starts the program and returns its process id. The caller must wait for its end.
  public func spawn() throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, stream) in [input, output, errors].enumerated() { lead(Int32(number), to: stream, &actions) }
    try SpawnExtensions.changeDirectory(&actions, folder)
    // The child must not inherit sockets and pipes of tests that run concurrently.
    try SpawnExtensions.closeFrom(&actions, 3)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    let flags = Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
    posix_spawnattr_setflags(&attributes, isDetached ? flags | SpawnExtensions.newSession : flags)

    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    var pid: pid_t = 0
    let failure = posix_spawn(&pid, arguments[0], &actions, &attributes, &argv, &envp)
    guard failure == 0 else { throw Failure("cannot start \(arguments[0]): \(String(cString: strerror(failure)))") }
    return pid
  }

  /// Runs the program to its end and returns its stdout.
  ///
  /// - Throws: `Failure` with its output when it fails.
  @discardableResult
  public func run() throws -> String {
    let (reading, writing) = try Command.channel()
    defer { close(reading) }
    var command = self
    command.output = .descriptor(writing)
    command.errors = .descriptor(writing)
    let pid = try {
      defer { close(writing) }
      return try command.spawn()
    }()
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(reading, &buffer, buffer.count)
      if count > 0 { text += buffer[..<count] }
      if count == 0 || (count < 0 && errno != EINTR) { break }
    }
    let status = Command.wait(for: pid)
    let written = String(decoding: text, as: UTF8.self)
    guard status == 0 else {
      throw Failure("\(arguments.joined(separator: " ")) ended with status \(status): \(written.suffix(2000))")
    }
    return written
  }

  /// Returns the exit status, or the negative signal number.
  public static func wait(for pid: pid_t) -> Int32 {
    var raw: Int32 = 0
    while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
    return exitStatus(raw)
  }

  /// Returns the same without waiting; nil while the process runs.
  public static func statusIfEnded(_ pid: pid_t) -> Int32? {
    var raw: Int32 = 0
    return waitpid(pid, &raw, WNOHANG) == pid ? exitStatus(raw) : nil
  }

  private static func exitStatus(_ raw: Int32) -> Int32 { raw & 0x7F == 0 ? raw >> 8 & 0xFF : -(raw & 0x7F) }

  /// Returns two connected descriptors that are closed in children. They are sockets, because a pipe cannot be opened
  /// and marked close-on-exec in one step here.
  static func channel() throws -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
      throw Failure("socketpair: \(String(cString: strerror(errno)))")
    }
    return (pair[0], pair[1])
  }

  private func lead(_ number: Int32, to stream: Stream, _ actions: inout posix_spawn_file_actions_t) {
    switch stream {
    case .nowhere:
      posix_spawn_file_actions_addopen(&actions, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0)
    case .file(let path):
      let flags = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND
      posix_spawn_file_actions_addopen(&actions, number, path, flags, 0o600)
    case .descriptor(let descriptor):
      posix_spawn_file_actions_adddup2(&actions, descriptor, number)
    }
  }
}

/// Functions of glibc that its Swift module lacks without _GNU_SOURCE.
private enum SpawnExtensions {
  /// POSIX_SPAWN_SETSID.
  static let newSession: Int16 = 0x80

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
    guard let function = dlsym(nil, name) else { throw Command.Failure("glibc has no \(name)") }
    return function
  }
}
