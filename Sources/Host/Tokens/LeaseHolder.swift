import Glibc

/// The name of a lease's holder in the token's row.
enum LeaseHolder {
  /// Returns a new unique name: host and process for the reader of the table, and a random number. Each keeper needs its own,
  /// since two of them may share a row for a while after a reload.
  static func new() -> String {
    var name = [CChar](repeating: 0, count: 65)
    let isKnown = gethostname(&name, name.count - 1) == 0
    let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let host = isKnown && !bytes.isEmpty ? String(decoding: bytes, as: UTF8.self) : "unknown"
    return "\(host)/\(getpid())/\(String(UInt64.random(in: .min ... .max), radix: 16))"
  }
}
