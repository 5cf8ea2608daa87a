extension [UInt8] {
  /// Appends the bytes of a literal in one copy.
  @inlinable @inline(__always)
  public mutating func append(_ literal: StaticString) {
    literal.withUTF8Buffer { append(contentsOf: $0) }
  }

  /// Appends the UTF-8 of a text in one copy. `append(contentsOf: text.utf8)` goes through the text's views, which costs ten times
  /// as much for the few bytes of a header field.
  @inlinable @inline(__always)
  public mutating func append(text: String) {
    if text.utf8.withContiguousStorageIfAvailable({ append(contentsOf: $0) }) == nil { append(contentsOf: text.utf8) }
  }

  /// Appends the last `digits` decimal digits of a number that is not negative, with leading zeros.
  public mutating func append(_ number: Int, digits: Int) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
      divisor /= 10
    }
  }
}
