/// A small set of header field names. Names compare without regard to case (RFC 9110 §5.1).
struct FieldNames: Sendable, Equatable {
  /// In lower case.
  private let names: [[UInt8]]
  /// Bit n is set where a name has n bytes (bit 63: 63 or more). Nearly every field is told by its length alone.
  private let lengths: UInt64

  init(_ names: [String]) {
    self.names = names.map { $0.utf8.map(Self.lowercased) }
    lengths = self.names.reduce(0) { $0 | Self.bit($1.count) }
  }

  @inline(__always)
  func contains(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    lengths & Self.bit(count) != 0 && search(name, count)
  }

  private func search(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    names.contains { candidate in
      candidate.count == count && candidate.indices.allSatisfy { candidate[$0] == Self.lowercased(name[$0]) }
    }
  }

  @inline(__always)
  private static func bit(_ count: Int) -> UInt64 { 1 &<< UInt64(min(count, 63)) }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}
