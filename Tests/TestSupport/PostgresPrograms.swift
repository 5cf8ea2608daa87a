import Foundation

/// The programs of PostgreSQL's server, and the user that runs them: PostgreSQL refuses to run as root.
struct PostgresPrograms: Sendable {
  let folder: String
  /// The user that runs the programs; nil for this process's own user.
  let user: (id: uid_t, group: gid_t)?

  static let found = Result<PostgresPrograms, any Error> { try find() }

  /// Returns the command that runs a program as that user.
  func command(_ program: String, _ arguments: [String], in workingFolder: String) throws -> Command {
    Command(try prefix() + [program] + arguments, environment: Self.environment, folder: workingFolder)
  }

  /// Without the PG variables and the locale of the developer.
  static let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"]

  private func prefix() throws -> [String] {
    guard let user else { return [] }
    guard let program = Self.inPath("setpriv") else {
      throw Command.Failure(
        "'setpriv' is not installed, and root cannot start PostgreSQL without it. Install util-linux.")
    }
    return [program, "--reuid=\(user.id)", "--regid=\(user.group)", "--clear-groups"]
  }

  private static func find() throws -> PostgresPrograms {
    var folders: [String] = []
    if let program = inPath("pg_config"),
      let output = try? Command([program, "--bindir"], environment: environment).run()
    {
      folders.append(output.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let debian = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []
    folders += versions.sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }.map { "\(debian)/\($0)/bin" }
    folders += pathFolders
    let needed = ["initdb", "postgres", "psql"]
    guard let folder = folders.first(where: { folder in needed.allSatisfy { isProgram("\(folder)/\($0)") } }) else {
      throw Command.Failure(
        "these tests need PostgreSQL's server programs (initdb, postgres, psql), which are not installed. "
          + "Run 'make test', which installs them, or install the package 'postgresql'.")
    }
    return PostgresPrograms(folder: folder, user: try unprivilegedUser())
  }

  private static func unprivilegedUser() throws -> (uid_t, gid_t)? {
    guard geteuid() == 0 else { return nil }
    for name in ["postgres", "nobody"] {
      if let entry = getpwnam(name) { return (entry.pointee.pw_uid, entry.pointee.pw_gid) }
    }
    throw Command.Failure(
      "PostgreSQL does not run as root, and neither a user 'postgres' nor a user 'nobody' exists.")
  }

  private static var pathFolders: [String] {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").map { String($0) } + ["/usr/sbin", "/sbin"]
  }

  private static func inPath(_ name: String) -> String? { pathFolders.map { "\($0)/\(name)" }.first(where: isProgram) }
  private static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }
}
