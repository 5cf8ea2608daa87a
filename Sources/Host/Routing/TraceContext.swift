/// Checks a caller's `traceparent` (W3C Trace Context §3.2). An invalid one would end the trace at its next reader, so it is dropped,
/// and `tracestate` with it (§3.3).
enum TraceContext {
  /// `version-traceid-parentid-flags` in lower-case digits. Later versions may add more after a dash.
  static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard text.count >= 55, text.count <= 512 else { return false }
    guard text[2] == dash, text[35] == dash, text[52] == dash else { return false }
    guard isHex(text[0..<2]), isHex(text[3..<35]), isHex(text[36..<52]), isHex(text[53..<55]) else { return false }
    // Trace and parent must not be zero, and version ff is forbidden.
    guard !isZero(text[3..<35]), !isZero(text[36..<52]) else { return false }
    if text[0] == zero, text[1] == zero { return text.count == 55 }
    return !(text[0] == UInt8(ascii: "f") && text[1] == UInt8(ascii: "f")) && (text.count == 55 || text[55] == dash)
  }

  private static let dash = UInt8(ascii: "-")
  private static let zero = UInt8(ascii: "0")

  private static func isZero(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> Bool { digits.allSatisfy { $0 == zero } }

  private static func isHex(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    digits.allSatisfy {
      switch $0 {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
      default: false
      }
    }
  }
}
