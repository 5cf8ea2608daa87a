import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// The output of commands, and the environment of the process.
enum Terminal {
  /// The error number of the first write to stdout that failed; 0 while none has. Like the error state of C's stdout, it belongs
  /// to the process.
  private static let outputError = Atomic<Int32>(0)

  /// Writes text to stdout. After a failure nothing more is written; `Command.run` reports it, and the exit status is 3.
  static func out(_ text: String) { out(Array(text.utf8)) }

  /// Prints one JSON value and a line break on stdout.
  static func json(_ write: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    write(&writer)
    out(writer.bytes + [0x0A])
  }

  /// Writes text to stderr. There is no other place for it, so a failure is ignored.
  static func error(_ text: String) { _ = write(Array(text.utf8), to: 2) }

  /// The text for an operator where a write to stdout has failed; nil where all of the output was written.
  static var outputProblem: String? {
    let code = outputError.load(ordering: .relaxed)
    if code == 0 { return nil }
    return "the output can't be written to stdout: \(code == EBADF ? "it is closed" : System.errorText(code))"
  }

  /// Closes stdout: only then some file systems report that the last bytes could not be stored. To be called by a command
  /// that prints nothing more.
  static func closeOutput() { if Glibc.close(1) < 0, errno != EBADF, errno != EINTR { failed(errno) } }

  private static func out(_ bytes: [UInt8]) {
    guard outputError.load(ordering: .relaxed) == 0 else { return }
    if let code = write(bytes, to: 1) { failed(code) }
  }

  private static func failed(_ code: Int32) {
    _ = outputError.compareExchange(expected: 0, desired: code, ordering: .relaxed)
  }

  /// Writes all bytes. Returns nil, or the error number.
  private static func write(_ bytes: [UInt8], to fd: Int32) -> Int32? {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress! + offset, bytes.count - offset) }
      if count > 0 {
        offset += count
      } else if count == 0 {
        return EIO
      } else if errno == EAGAIN {
        // The descriptor was made non-blocking by another program that shares it.
        var waiting = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        _ = poll(&waiting, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }

  /// Opens a descriptor for each of the numbers 0, 1 and 2 that the parent process has closed. Otherwise the next socket or
  /// database would get that number, and output would go there. Reading from it, or writing to it, fails as on a closed one.
  static func reserveDescriptors() {
    while true {
      var fd = open("/dev/null", PG_O_PATH)
      // There may be no /dev in a chroot.
      if fd < 0 { fd = open("/", PG_O_PATH) }
      guard (0...2).contains(fd) else {
        if fd > 2 { System.close(fd) }
        return
      }
    }
  }

  /// Returns the environment variables of the process.
  static func environment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let pointer = entry.pointee {
      let text = String(cString: pointer)
      if let equals = text.firstIndex(of: "=") {
        result[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      entry += 1
    }
    return result
  }

  /// Returns rows of text with each column as wide as its widest entry.
  static func table(_ rows: [[String]]) -> String {
    guard let first = rows.first else { return "" }
    let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
      }
      let line = cells.joined(separator: "  ")
      return String(line.prefix(upTo: line.lastIndex { $0 != " " }.map(line.index(after:)) ?? line.startIndex)) + "\n"
    }.joined()
  }
}
