import Glibc

/// Names who has the lease of a token's row.
enum LeaseHolder {
  /// A new name, distinct from every other: machine and process for whoever reads the table, the rest by chance. One
  /// for each keeper, since after a reload two of them may stand over one row for a while.
  static func new() -> String {
    var name = [CChar](repeating: 0, count: 65)
    let isKnown = gethostname(&name, name.count - 1) == 0
    let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let host = isKnown && !bytes.isEmpty ? String(decoding: bytes, as: UTF8.self) : "unknown"
    return "\(host)/\(getpid())/\(String(UInt64.random(in: .min ... .max), radix: 16))"
  }
}
