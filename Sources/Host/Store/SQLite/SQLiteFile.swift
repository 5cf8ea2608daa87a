import Glibc

/// The file of a SQLite database: creation for its owner alone, and identity.
enum SQLiteFile {
  /// Device and inode.
  struct Identity: Equatable {
    let device: dev_t
    let inode: ino_t

    init?(_ path: String) {
      var info = stat()
      guard stat(path, &info) == 0 else { return nil }
      device = info.st_dev
      inode = info.st_ino
    }
  }

  static func exists(_ path: String) -> Bool { Identity(path) != nil }

  /// Creates the folder (0700) and the file (0600) where they are missing.
  static func make(_ path: String) throws(StoreError) {
    try makeFolder(of: path)
    // `O_EXCL`: an existing file must not be opened here, because closing it would drop all of this process's locks on
    // it (fcntl(2)).
    let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    if file >= 0 {
      close(file)
      return
    }
    guard errno == EEXIST else { throw error(path, errno, "could not be created") }
  }

  /// Removes the rights of other users, in case the file was created by hand. Called only when the file is known to be
  /// the gateway's.
  static func restrictToOwner(_ path: String) throws(StoreError) {
    // The log's files contain the same secrets. SQLite gives new ones the mode of the main file.
    for name in [path, path + "-wal", path + "-shm"] {
      var info = stat()
      guard stat(name, &info) == 0, info.st_mode & 0o077 != 0, info.st_mode & S_IFMT == S_IFREG else { continue }
      guard chmod(name, info.st_mode & 0o700) == 0 else {
        throw StoreError(
          .unavailable,
          "'\(name)' can be read by other users, and its mode can't be changed (\(message(errno))). "
            + "Make the gateway's user its owner.")
      }
    }
  }

  /// Checks that the file and its folder can be written, or made where they are missing. Leaves nothing.
  static func checkWritable(_ path: String) throws(StoreError) {
    if exists(path) {
      guard faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0 else { throw readOnly(path) }
    }
    var folder = parent(of: path)
    while !exists(folder), folder != "/" { folder = parent(of: folder) }
    // A file without a name, which ends with its descriptor (open(2), O_TMPFILE).
    let file = open(folder, 0o20_000_000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, mode_t(0o600))
    if file >= 0 {
      close(file)
      return
    }
    let code = errno
    // Some file systems have no files without a name.
    if code == EOPNOTSUPP || code == EISDIR || code == EINVAL,
      faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0
    {
      return
    }
    throw StoreError(
      code == ENOSPC || code == EDQUOT ? .full : .readOnly,
      "The folder '\(folder)' can't be written (\(message(code))), which the database '\(path)' needs. Grant the gateway the "
        + "right to, or use another path in 'store.path'.")
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The file exists and may not be written.
  static func isReadOnly(_ path: String) -> Bool {
    access(path, W_OK) != 0 && [EROFS, EACCES, EPERM].contains(errno)
  }

  static func readOnly(_ path: String) -> StoreError {
    StoreError(
      .readOnly, "'\(path)' can't be written. Grant the gateway the right to, or use another path in 'store.path'.")
  }

  private static func makeFolder(of path: String) throws(StoreError) {
    var end = path.startIndex
    while let slash = path[end...].dropFirst().firstIndex(of: "/") {
      end = slash
      let folder = String(path[..<slash])
      if exists(folder) { continue }
      // EEXIST: another process created it at the same time.
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw error(folder, errno, "could not be created") }
    }
  }

  private static func error(_ path: String, _ number: Int32, _ what: String) -> StoreError {
    switch number {
    case EROFS: readOnly(path)
    case ENOSPC, EDQUOT: StoreError(.full, "'\(path)' \(what): the disk is full. Free some space.")
    default:
      StoreError(
        .unavailable,
        "'\(path)' \(what) (\(message(number))). Use a path in 'store.path' that the gateway may write to.")
    }
  }

  private static func message(_ number: Int32) -> String { String(cString: strerror(number)) }
}
