/// Writes the Prometheus text exposition format, version 0.0.4.
struct Exposition {
  enum Kind: String { case counter, gauge, histogram }

  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private(set) var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(32 << 10) }

  /// Starts a metric family. All its samples must follow before the next family starts.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    append("# HELP \(name) ")
    // In a help text only backslash and line feed are escaped.
    for byte in help.utf8 { appendEscaped(byte, quotes: false) }
    append("\n# TYPE \(name) \(kind.rawValue)\n")
  }

  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: some FixedWidthInteger) {
    series(name, labels)
    append(" \(value)\n")
  }

  mutating func sample(_ name: String, _ value: some FixedWidthInteger) { sample(name, [], value) }

  /// Appends a value in seconds that is known in a finer unit, with all its digits.
  mutating func sample(_ name: String, _ labels: [(String, String)] = [], seconds value: UInt64, per second: UInt64) {
    series(name, labels)
    append(" ")
    appendSeconds(value, per: second)
    append("\n")
  }

  mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: DurationHistogram) {
    // The sum is read first: a request that is counted between the two readings must not be in the sum only.
    let sum = histogram.sumNanoseconds
    let counts = histogram.cumulative
    for (bound, count) in zip(DurationHistogram.bounds, counts) {
      sample("\(name)_bucket", labels + [("le", bound.label)], count)
    }
    let total = counts.last ?? 0
    sample("\(name)_bucket", labels + [("le", "+Inf")], total)
    sample("\(name)_sum", labels, seconds: sum, per: 1_000_000_000)
    sample("\(name)_count", labels, total)
  }

  private mutating func series(_ name: String, _ labels: [(String, String)]) {
    append(name)
    guard !labels.isEmpty else { return }
    append("{")
    for (index, label) in labels.enumerated() {
      if index > 0 { append(",") }
      append("\(label.0)=\"")
      for byte in label.1.utf8 { appendEscaped(byte, quotes: true) }
      append("\"")
    }
    append("}")
  }

  private mutating func appendEscaped(_ byte: UInt8, quotes: Bool) {
    switch byte {
    case 0x5C: append("\\\\")
    case 0x0A: append("\\n")
    case 0x22 where quotes: append("\\\"")
    default: bytes.append(byte)
    }
  }

  private mutating func appendSeconds(_ value: UInt64, per second: UInt64) {
    append(String(value / second))
    var rest = value % second
    guard rest > 0 else { return }
    append(".")
    var unit = second / 10
    while rest > 0, unit > 0 {
      bytes.append(UInt8(truncatingIfNeeded: 48 + rest / unit))
      rest %= unit
      unit /= 10
    }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
