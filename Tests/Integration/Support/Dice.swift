import Foundation

/// Random numbers that repeat with the same seed (SplitMix64).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int) {
    // Otherwise neighbouring seeds would give the same sequence, shifted by one.
    var first = Dice(state: UInt64(truncatingIfNeeded: seed) &* 0xD134_2543_DE82_EF95)
    state = first.next()
  }

  private init(state: UInt64) { self.state = state }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }

  /// Small numbers far more often than large ones (Zipf's law with exponent 1).
  mutating func skewed(_ count: Int) -> Int {
    let uniform = Double.random(in: 0..<1, using: &self)
    return min(count - 1, Int(exp(uniform * log(Double(count + 1)))) - 1)
  }
}
