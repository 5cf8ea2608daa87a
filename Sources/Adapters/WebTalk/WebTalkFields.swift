import AdapterAPI

/// Builds the header fields of a call.
enum WebTalkFields {
  /// Returns the fixed part, the token, then the caller's fields without those that the adapter sets.
  ///
  /// - Parameter takesProperty: Whether the operation knows the field `prop`; otherwise it is dropped.
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
        while end < bytes.count, bytes[end] != 0x0A { end += 1 }
        end = min(end + 1, bytes.count)
        let line = UnsafeBufferPointer(rebasing: bytes[start..<end])
        if passes(line, takesProperty: takesProperty) { block.append(contentsOf: line) }
        start = end
      }
    }
    return Fields(checkedBlock: block)
  }

  private static func passes(_ line: UnsafeBufferPointer<UInt8>, takesProperty: Bool) -> Bool {
    // Few names have one of these lengths, so names are rarely compared.
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return false }
    return switch colon {
    case 4: takesProperty || !isName(line, "prop")
    case 5: !isName(line, "token") && !isName(line, "appid")
    case 12: !isName(line, "content-type")
    case 13: !isName(line, "authorization")
    default: true
    }
  }

  /// - Parameter name: In lower case, of the same length as the line's name.
  private static func isName(_ line: UnsafeBufferPointer<UInt8>, _ name: StaticString) -> Bool {
    for index in 0..<name.utf8CodeUnitCount where line[index] | 0x20 != name.utf8Start[index] | 0x20 { return false }
    return true
  }
}
