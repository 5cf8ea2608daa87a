import AdapterAPI
import CLinux
import Glibc

/// The output of commands, and the environment of the process.
enum Terminal {
  /// Writes text to stdout; `error` writes to stderr.
  static func out(_ text: String) { write(Array(text.utf8), to: 1) }
  static func error(_ text: String) { write(Array(text.utf8), to: 2) }

  /// Prints one JSON value and a line break on stdout.
  static func json(_ write: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    write(&writer)
    self.write(writer.bytes + [0x0A], to: 1)
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

  private static func write(_ bytes: [UInt8], to fd: Int32) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress! + offset, bytes.count - offset) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return }
      offset += count
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
