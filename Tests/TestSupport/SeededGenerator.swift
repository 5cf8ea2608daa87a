import Foundation

/// Random numbers that are the same for the same seed, so that a failed case can be repeated (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: some BinaryInteger) { state = UInt64(truncatingIfNeeded: seed) }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// Returns a number from 0 to `count - 1`.
  public mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }

  /// Returns a number from 0 to `count - 1`; small ones are far more frequent (Zipf's law with exponent 1).
  public mutating func skewed(_ count: Int) -> Int {
    let uniform = Double.random(in: 0..<1, using: &self)
    return min(count - 1, Int(exp(uniform * log(Double(count + 1)))) - 1)
  }
}
