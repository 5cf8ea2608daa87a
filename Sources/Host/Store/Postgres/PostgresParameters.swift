/// A statement's parameters in libpq's form: C strings, and a null pointer for NULL.
struct PostgresParameters {
  /// The texts one after another, each with a terminating zero.
  private var bytes: [CChar] = []
  /// The start of each text in `bytes`; nil for NULL.
  private var starts: [Int?] = []

  /// Returns nil when a text contains U+0000.
  init?(_ values: [SQLValue]) {
    starts.reserveCapacity(values.count)
    for value in values {
      switch value {
      case .null:
        starts.append(nil)
        continue
      case .integer(let number):
        starts.append(bytes.count)
        for byte in String(number).utf8 { bytes.append(CChar(bitPattern: byte)) }
      case .text(let text):
        if text.holdsNUL { return nil }
        starts.append(bytes.count)
        for byte in text.utf8 { bytes.append(CChar(bitPattern: byte)) }
      }
      bytes.append(0)
    }
  }

  func withPointers<Value>(_ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Value) -> Value {
    bytes.withUnsafeBufferPointer { bytes in
      let pointers = starts.map { start in start.flatMap { start in bytes.baseAddress.map { $0 + start } } }
      return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
  }
}

/// Rows in the text format of COPY (https://www.postgresql.org/docs/15/sql-copy.html).
struct PostgresCopyLines {
  var bytes: [UInt8] = []

  /// - Returns: false when a text contains U+0000; then `bytes` ends with part of the row.
  mutating func append(_ row: [SQLValue]) -> Bool {
    for (index, value) in row.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      switch value {
      case .null: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "N")])
      case .integer(let number): bytes.append(contentsOf: String(number).utf8)
      case .text(let text):
        for byte in text.utf8 {
          switch byte {
          case 0: return false
          case UInt8(ascii: "\\"): bytes.append(contentsOf: [byte, byte])
          case UInt8(ascii: "\n"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
          case UInt8(ascii: "\r"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
          case UInt8(ascii: "\t"): bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
          default: bytes.append(byte)
          }
        }
      }
    }
    bytes.append(UInt8(ascii: "\n"))
    return true
  }
}
