import AdapterAPI

/// Puts together the header fields of a call.
enum WebTalkFields {
  /// The fixed part, the token, then the caller's fields but for those that are ours to set, and `prop` where it means
  /// nothing.
  static func request(fixed: [UInt8], token: String, caller: Fields, takesProperty: Bool) -> Fields {
    var block: [UInt8] = []
    block.reserveCapacity(fixed.count + token.utf8.count + 2 + caller.bytes.count)
    block.append(contentsOf: fixed)
    block.append(text: token)
    block.append("\r\n")
    caller.bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      while start < bytes.count {
        var end = start
        while end < bytes.count, bytes[end] != 10 { end += 1 }
        end = min(end + 1, bytes.count)
        let line = UnsafeBufferPointer(rebasing: bytes[start..<end])
        if passes(line, takesProperty: takesProperty) { block.append(contentsOf: line) }
        start = end
      }
    }
    return Fields(checkedBlock: block)
  }

  private static func passes(_ line: UnsafeBufferPointer<UInt8>, takesProperty: Bool) -> Bool {
    // Few fields have one of these lengths, so a name is rarely compared.
    guard let colon = line.firstIndex(of: 58) else { return false }
    return switch colon {
    case 4: takesProperty || !isName(line, "prop")
    case 5: !isName(line, "token") && !isName(line, "appid")
    case 12: !isName(line, "content-type")
    case 13: !isName(line, "authorization")
    default: true
    }
  }

  /// - Parameter name: in lower case, as long as the line's own name.
  private static func isName(_ line: UnsafeBufferPointer<UInt8>, _ name: StaticString) -> Bool {
    for index in 0..<name.utf8CodeUnitCount where line[index] | 0x20 != name.utf8Start[index] | 0x20 { return false }
    return true
  }
}
