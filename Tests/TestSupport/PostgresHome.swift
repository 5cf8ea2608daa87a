import Foundation
import Synchronization

/// The folder of this process's PostgreSQL servers: the template from which they are copied, and the watchdog that
/// stops them and removes the folder when this process ends or is killed.
final class PostgresHome: Sendable {
  static let shared = Result<PostgresHome, any Error> { try PostgresHome() }

  let programs: PostgresPrograms
  let path: String
  private let count = Mutex(0)
  private let watchdog: Watchdog

  private init() throws {
    programs = try PostgresPrograms.found.get()
    // Short, because the path of a Unix socket has at most 107 bytes.
    path =
      FileManager.default.temporaryDirectory.appending(
        path: "pointgate-pg-\(getpid())-\(UInt16.random(in: 0 ... .max))"
      )
      .path
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    if let user = programs.user, chown(path, user.id, user.group) != 0 {
      throw Command.Failure("chown \(path): \(String(cString: strerror(errno)))")
    }
    watchdog = try Watchdog(Self.cleanUp, path)
    // initdb shuts down cleanly, so copies start without recovery. UTF-8, ordered by code points.
    try programs.command(
      "\(programs.folder)/initdb",
      ["-D", "\(path)/template", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
      in: path
    ).run()
  }

  /// Creates a folder with a copy of the template in `data`.
  func newFolder() throws -> String {
    let number = count.withLock { count in
      count += 1
      return count
    }
    let folder = "\(path)/\(number)"
    try programs.command("/bin/mkdir", [folder], in: path).run()
    try programs.command("/bin/cp", ["-a", "\(path)/template", "\(folder)/data"], in: path).run()
    return folder
  }

  /// Stops the servers. A suspended process is resumed first, because it would not receive the signal.
  private static let cleanUp = """
    for file in "$1"/*/data/postmaster.pid; do
      pid=$(head -n 1 "$file" 2>/dev/null) || continue
      for status in $(grep -ls "^PPid:[[:space:]]*$pid\\$" /proc/[0-9]*/status); do
        status=${status%/status}
        kill -CONT "${status#/proc/}"
      done
      kill -QUIT "$pid"
      kill -CONT "$pid"
    done
    for turn in 1 2 3 4 5 6 7 8 9 10; do
      ls "$1"/*/data/postmaster.pid >/dev/null 2>&1 || break
      sleep 0.5
    done
    rm -rf "$1" || { sleep 1; rm -rf "$1"; }
    """
}
