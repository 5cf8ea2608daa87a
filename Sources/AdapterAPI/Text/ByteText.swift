/// Appending text to bytes in one copy. `append(contentsOf: text.utf8)` goes through the text's views, which costs ten times as
/// much for a header's few bytes.
extension [UInt8] {
  /// A literal: its bytes stand in the program.
  @inlinable @inline(__always)
  public mutating func append(_ literal: StaticString) {
    literal.withUTF8Buffer { append(contentsOf: $0) }
  }

  @inlinable @inline(__always)
  public mutating func append(text: String) {
    if text.utf8.withContiguousStorageIfAvailable({ append(contentsOf: $0) }) == nil { append(contentsOf: text.utf8) }
  }
}
