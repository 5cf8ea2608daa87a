/// `X-Request-Id`: the caller's when it is sane, else one of ours.
enum RequestID {
  /// 15 hexadecimal digits from the system's random numbers: as many as a string holds without memory of its own.
  static func make() -> String { make(UInt64.random(in: 0 ... .max)) }

  static func make(_ number: UInt64) -> String {
    String(unsafeUninitializedCapacity: 15) { buffer in
      for index in 0..<15 {
        let digit = UInt8(truncatingIfNeeded: number >> (UInt64(14 - index) * 4)) & 15
        buffer[index] = digit < 10 ? 48 + digit : 87 + digit
      }
      return 15
    }
  }

  /// 1 to 128 of `A-Z a-z 0-9 . _ -`.
  static func isSane(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard (1...128).contains(bytes.count) else { return false }
    return bytes.allSatisfy {
      switch $0 {
      case 48...57, 65...90, 97...122, 45, 46, 95: true
      default: false
      }
    }
  }
}

/// Numbers for ids, without a system call for each (SplitMix64, seeded from the system's random numbers). Ids need to be
/// different, not secret.
struct IDNumbers: RandomNumberGenerator {
  private var state = UInt64.random(in: 0 ... .max)

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
