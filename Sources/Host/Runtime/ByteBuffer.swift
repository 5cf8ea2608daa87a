import AdapterAPI
import Glibc

/// Bytes that are gathered to be sent. Keeps its memory when it is emptied, so that the next bytes cost no allocation.
///
/// An array would do the same, but its `append` costs several times as much for the few bytes of a header field. For the same
/// reason appending is always inlined, and growing, which is rare, never.
struct ByteBuffer: ~Copyable {
  private var base: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 0) {
    self.capacity = capacity
    base = .allocate(capacity: capacity)
  }

  deinit { base.deallocate() }

  /// Valid until the next change.
  borrowing func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  mutating func append(_ byte: UInt8) {
    reserve(1)
    base[count] = byte
    count += 1
  }

  @inline(__always)
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count)
    memcpy(base + count, source, bytes.count)
    count += bytes.count
  }

  @inline(__always)
  mutating func append(_ literal: StaticString) {
    append(UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  @inline(__always)
  mutating func append(contentsOf bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  @inline(__always)
  mutating func append(text: String) {
    if text.utf8.withContiguousStorageIfAvailable({ append(UnsafeRawBufferPointer($0)) }) == nil {
      append(contentsOf: Array(text.utf8))
    }
  }

  /// Appends the number in decimal digits.
  mutating func append(decimal number: Int) {
    var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
    Swift.withUnsafeMutableBytes(of: &digits) { buffer in
      var rest = number.magnitude
      var at = buffer.count
      repeat {
        at -= 1
        buffer[at] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0
      if number < 0 {
        at -= 1
        buffer[at] = UInt8(ascii: "-")
      }
      append(UnsafeRawBufferPointer(rebasing: buffer[at...]))
    }
  }

  /// Removes and returns the bytes from `start` on.
  mutating func take(from start: Int) -> [UInt8] {
    let taken = Array(bytes(start..<count))
    count = start
    return taken
  }

  /// Removes all bytes; memory beyond `kept` bytes is released.
  mutating func removeAll(keeping kept: Int) {
    count = 0
    guard capacity > kept else { return }
    base.deallocate()
    base = .allocate(capacity: kept)
    capacity = kept
  }

  @inline(__always)
  private mutating func reserve(_ more: Int) { if capacity - count < more { grow(more) } }

  @inline(never)
  private mutating func grow(_ more: Int) {
    let wanted = max(count + more, capacity * 2, 4096)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    memcpy(larger, base, count)
    base.deallocate()
    base = larger
    capacity = wanted
  }
}
