// Selects the response fields that the caller gets.
extension ResponseHeadParser {
  /// The most fields that Connection may name. The bound keeps the number of comparisons (names times fields) small.
  private static let maxNamedFields = 16

  private typealias NamedFields = InlineArray<16, ByteRange>

  /// Copies the end-to-end fields of a complete and valid head, without credentials.
  func copyFields(
    _ bytes: UnsafePointer<UInt8>, _ length: Int, _ limits: HTTPLimits, without credentials: borrowing FieldNames,
    to fields: inout [UInt8]
  ) -> HTTPFault? {
    var named = NamedFields(repeating: ByteRange())
    var namedCount = 0
    if seen.contains(.namesFields) {
      guard let count = ResponseHeadParser.namedFields(bytes, length, limits, &named) else {
        return .bad("The response's Connection field names more than 16 fields.")
      }
      namedCount = count
    }
    var scan = HeaderScan()
    // Adjacent lines that are already in the form `Name: value` are copied together.
    var run = ByteRange()
    func flush() {
      if !run.isEmpty { fields.append(contentsOf: run.bytes(in: bytes)) }
      run = ByteRange()
    }
    while true {
      switch scan.next(bytes, count: length, limits: limits) {
      case .startLine: continue
      case .field:
        let (start, colon, end) = (scan.lineStart, scan.nameEnd, scan.lineEnd)
        var isKept = !ResponseHeadParser.endsHere(bytes + start, colon - start)
        isKept = isKept && !credentials.contains(bytes + start, colon - start)
        for index in 0..<namedCount where isKept {
          isKept = !ResponseHeadParser.equal(bytes, ByteRange(start, colon), named[index])
        }
        guard isKept else {
          flush()
          continue
        }
        let value = scan.value(bytes)
        if Int(value.start) == colon + 2, bytes[colon + 1] == UInt8(ascii: " "), value.end == end {
          run = run.isEmpty ? ByteRange(start, end + 2) : ByteRange(Int(run.start), end + 2)
          continue
        }
        flush()
        fields.append(contentsOf: UnsafeBufferPointer(start: bytes + start, count: colon - start))
        fields.append(UInt8(ascii: ":"))
        fields.append(UInt8(ascii: " "))
        fields.append(contentsOf: value.bytes(in: bytes))
        fields.append(0x0D)
        fields.append(0x0A)
      case .end, .needMore:
        flush()
        return nil
      case .failed(let fault): return fault
      }
    }
  }

  /// Collects the names in Connection. Returns nil when there are too many.
  private static func namedFields(
    _ bytes: UnsafePointer<UInt8>, _ length: Int, _ limits: HTTPLimits, _ named: inout NamedFields
  ) -> Int? {
    var count = 0
    var scan = HeaderScan()
    while true {
      switch scan.next(bytes, count: length, limits: limits) {
      case .startLine: continue
      case .field:
        guard HeaderScan.matches(bytes + scan.lineStart, scan.nameEnd - scan.lineStart, "connection") else { continue }
        let fits = HeaderScan.forEachElement(bytes, scan.value(bytes)) { from, to in
          if HeaderScan.matches(bytes + from, to - from, "close") { return true }
          if HeaderScan.matches(bytes + from, to - from, "keep-alive") { return true }
          guard count < maxNamedFields else { return false }
          named[count] = ByteRange(from, to)
          count += 1
          return true
        }
        guard fits else { return nil }
      case .end, .needMore, .failed: return count
      }
    }
  }

  /// Compares without regard to case (RFC 9110 §5.1).
  private static func equal(_ bytes: UnsafePointer<UInt8>, _ a: ByteRange, _ b: ByteRange) -> Bool {
    guard a.count == b.count else { return false }
    for at in 0..<Int(a.count) {
      let (x, y) = (bytes[Int(a.start) + at], bytes[Int(b.start) + at])
      guard x == y || (x ^ y == 0x20 && x | 0x20 >= UInt8(ascii: "a") && x | 0x20 <= UInt8(ascii: "z")) else {
        return false
      }
    }
    return true
  }

  /// The field is never passed on: it is hop-by-hop (RFC 9110 §7.6.1), framing, a credential, or one that the gateway writes itself.
  private static func endsHere(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    if count > 6, HeaderScan.matches(name, 6, "proxy-") { return true }
    @inline(__always) func matches(_ lowercase: StaticString) -> Bool { HeaderScan.matches(name, count, lowercase) }
    switch count {
    case 2: return matches("te")
    case 7: return matches("trailer") || matches("upgrade")
    case 10: return matches("connection") || matches("keep-alive") || matches("set-cookie")
    case 11: return matches("set-cookie2")
    case 12: return matches("x-request-id")
    case 13: return matches("authorization")
    case 14: return matches("content-length")
    case 16: return matches("www-authenticate") || matches("x-gateway-source")
    case 17: return matches("transfer-encoding")
    case 19: return matches("authentication-info")
    default: return false
    }
  }
}
