import AdapterAPI
import Glibc

/// Reads small files whole. A failure has a reason that completes the sentence "the file X …".
enum TextFile {
  static let sizeMax = 1 << 20
  static let doesNotExist = "does not exist"

  /// - Parameter anyKind: whether pipes and devices are read too. Otherwise only regular files are, as opening a pipe may block.
  static func read(_ path: String, anyKind: Bool = false) -> Result<[UInt8], Settings.Resolver.Missing> {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (anyKind ? 0 : O_NONBLOCK))
    guard descriptor >= 0 else { return .failure(reason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return .failure(reason(errno)) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: return .failure(.init("is a folder, not a file"))
    default: guard anyKind else { return .failure(.init("is not a regular file")) }
    }
    // One byte more than allowed tells a file that is too large from one that just fits.
    var bytes = [UInt8](repeating: 0, count: sizeMax + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      }
      if got < 0, errno == EINTR { continue }
      if got < 0 { return .failure(reason(errno)) }
      if got == 0 { break }
      count += got
    }
    if count > sizeMax { return .failure(.init("is larger than 1 MiB")) }
    bytes.removeLast(bytes.count - count)
    return .success(bytes)
  }

  static func readText(_ path: String) -> Result<String, Settings.Resolver.Missing> {
    read(path).flatMap { bytes in
      guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
        return .failure(.init("is not UTF-8 text"))
      }
      return .success(text)
    }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Returns the path if it is absolute, else the path below the folder.
  static func join(_ folder: String, _ path: String) -> String {
    path.hasPrefix("/") || folder.isEmpty ? path : folder.hasSuffix("/") ? folder + path : folder + "/" + path
  }

  /// Returns the folder of the file; empty for the current folder, which also stands for that of a pipe.
  static func folder(of path: String) -> String {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG { return "" }
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[...slash])
  }

  static func currentDirectory() -> String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }

  private static func reason(_ code: Int32) -> Settings.Resolver.Missing {
    switch code {
    case ENOENT: .init(doesNotExist)
    case EACCES, EPERM: .init("is not readable: permission denied")
    default: .init("cannot be read (\(String(cString: strerror(code))))")
    }
  }
}
