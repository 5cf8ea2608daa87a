// Scanning eight bytes at a time. In `x &- ones * n & ~x`, the high bit of the lowest byte below n is exact, bits
// above it may be wrong by the borrow; only the lowest is used.
extension HeaderScan {
  private static var ones: UInt64 { 0x0101_0101_0101_0101 }
  private static var highs: UInt64 { 0x8080_8080_8080_8080 }

  @inline(__always)
  private static func word(_ bytes: UnsafePointer<UInt8>, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(bytes + offset).loadUnaligned(as: UInt64.self))
  }

  @inline(__always)
  private static func equal(_ word: UInt64, _ byte: UInt64) -> UInt64 {
    let difference = word ^ (ones &* byte)
    return (difference &- ones) & ~difference
  }

  /// Returns the offset of the first control character except HTAB (not allowed in a value, RFC 9110 §5.5), else `to`.
  @inline(__always)
  static func control(_ bytes: UnsafePointer<UInt8>, from: Int, to: Int) -> Int {
    var at = from
    while at &+ 8 <= to {
      let word = word(bytes, at)
      let hits = ((word &- (ones &* 0x20)) & ~word | equal(word, 0x7f)) & highs
      if hits == 0 {
        at &+= 8
        continue
      }
      at &+= hits.trailingZeroBitCount &>> 3
      if bytes[at] != 0x09 { return at }
      at &+= 1
    }
    while at < to {
      let byte = bytes[at]
      if (byte < 0x20 && byte != 0x09) || byte == 0x7F { return at }
      at &+= 1
    }
    return max(at, from)
  }

  /// Returns the offset of the first colon, space or control character, else `to`.
  @inline(__always)
  static func nameEnd(_ bytes: UnsafePointer<UInt8>, from: Int, to: Int) -> Int {
    var at = from
    while at &+ 8 <= to {
      let word = word(bytes, at)
      let hits = ((word &- (ones &* 0x21)) & ~word | equal(word, 0x3a) | equal(word, 0x7f)) & highs
      if hits != 0 { return at &+ (hits.trailingZeroBitCount &>> 3) }
      at &+= 8
    }
    while at < to {
      let byte = bytes[at]
      if byte <= 0x20 || byte == UInt8(ascii: ":") || byte == 0x7F { return at }
      at &+= 1
    }
    return at
  }

  /// Compares a name or token with one in lower case, without regard to case. The bytes hold no control characters, so setting bit 5
  /// makes no other byte equal to a letter, a digit or `-`.
  @inline(__always)
  static func matches(_ name: UnsafePointer<UInt8>, _ count: Int, _ lowercase: StaticString) -> Bool {
    count == lowercase.utf8CodeUnitCount && matches(name, count, lowercase.utf8Start)
  }

  /// - Parameter other: `count` bytes in lower case.
  @inline(__always)
  static func matches(_ name: UnsafePointer<UInt8>, _ count: Int, _ other: UnsafePointer<UInt8>) -> Bool {
    if count < 8 {
      var at = 0
      while at < count {
        if name[at] | 0x20 != other[at] { return false }
        at &+= 1
      }
      return true
    }
    var at = 0
    while at &+ 8 < count {
      if word(name, at) | (ones &* 0x20) != word(other, at) { return false }
      at &+= 8
    }
    return word(name, count &- 8) | (ones &* 0x20) == word(other, count &- 8)
  }

  @inline(__always)
  static func isToken(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    var at = 0
    while at < count {
      if !ByteSet.token.contains(bytes[at]) { return false }
      at &+= 1
    }
    return count > 0
  }

  /// Calls the closure for each element of a comma-separated list, without its white space; empty ones are left out
  /// (RFC 9110 §5.6.1). Stops when the closure returns false.
  @inline(__always)
  static func forEachElement(
    _ bytes: UnsafePointer<UInt8>, _ value: ByteRange, _ body: (_ from: Int, _ to: Int) -> Bool
  ) -> Bool {
    var from = Int(value.start)
    let end = value.end
    while from < end {
      var comma = from
      while comma < end, bytes[comma] != UInt8(ascii: ",") { comma &+= 1 }
      var to = comma
      while from < to, bytes[from] == 0x20 || bytes[from] == 0x09 { from &+= 1 }
      while to > from, bytes[to &- 1] == 0x20 || bytes[to &- 1] == 0x09 { to &-= 1 }
      if to > from, !body(from, to) { return false }
      from = comma &+ 1
    }
    return true
  }

  /// Reads the value of `Content-Length`: digits and nothing else (RFC 9110 §8.6).
  static func contentLength(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) -> Result<Int, HTTPFault> {
    var length = 0
    var at = Int(value.start)
    guard !value.isEmpty else { return .failure(.bad("Content-Length is empty; it needs a number of bytes.")) }
    while at < value.end {
      let digit = bytes[at] &- UInt8(ascii: "0")
      guard digit < 10 else { return .failure(.bad("Content-Length must be one number in decimal digits.")) }
      // 18 digits always fit 63 bits; a longer number is larger than any limit.
      if at - Int(value.start) < 18 { length = length * 10 + Int(digit) }
      at += 1
    }
    guard value.count <= 18 else {
      return .failure(HTTPFault(.bodyTooLarge, "Content-Length is larger than any body."))
    }
    return .success(length)
  }
}

/// A set of ASCII characters.
struct ByteSet {
  private let low: UInt64
  private let high: UInt64

  @inline(__always)
  private init(_ low: UInt64, _ high: UInt64) {
    self.low = low
    self.high = high
  }

  @inline(__always)
  func contains(_ byte: UInt8) -> Bool {
    let half = byte & 0x40 == 0 ? low : high
    return byte < 0x80 && (half &>> UInt64(byte & 0x3f)) & 1 != 0
  }

  // Written as numbers, so that they are immediate operands and no table is built at start; a test spells them out.

  /// tchar (RFC 9110 §5.6.2).
  @inline(__always) static var token: ByteSet { ByteSet(0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe) }
  /// The characters of a request target (RFC 3986): visible ASCII without `"<>\^{|}`, the back-quote and `#`.
  @inline(__always) static var target: ByteSet { ByteSet(0xafff_fff2_0000_0000, 0x47ff_fffe_afff_ffff) }
  /// The characters of a host's name (RFC 3986 §3.2.2), without the comma: two hosts in one field are not a host.
  @inline(__always) static var host: ByteSet { ByteSet(0x2bff_6ff2_0000_0000, 0x47ff_fffe_87ff_fffe) }
}
