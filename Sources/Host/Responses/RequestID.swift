/// `X-Request-Id`: the caller's if it is valid, else a new one.
enum RequestID {
  /// Returns 15 random hexadecimal digits: the most that a string holds without an allocation.
  static func make() -> String { make(UInt64.random(in: 0 ... .max)) }

  static func make(_ number: UInt64) -> String {
    String(unsafeUninitializedCapacity: 15) { buffer in
      for index in 0..<15 {
        let digit = UInt8(truncatingIfNeeded: number >> (UInt64(14 - index) * 4)) & 15
        buffer[index] = (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10) + digit
      }
      return 15
    }
  }

  /// Whether a caller's id has 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
  static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard (1...128).contains(bytes.count) else { return false }
    return bytes.allSatisfy {
      switch $0 {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}

/// Random numbers for ids without a system call for each (SplitMix64, seeded from the system's). Ids must differ; they need not be
/// secret.
struct IDNumbers: RandomNumberGenerator {
  private var state = UInt64.random(in: 0 ... .max)

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
