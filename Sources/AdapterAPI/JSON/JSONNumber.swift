/// The exact value of a JSON number (RFC 8259 §6): `digits` × 10^`exponent`. Equal for `2`, `2.0` and `20e-1`.
public struct JSONNumber: Sendable, Hashable {
  public let isNegative: Bool
  /// ASCII digits without leading and trailing zeros; empty for zero.
  public let digits: [UInt8]
  /// Clamped to ±`limit`. Zero has the exponent 0 and no sign.
  public let exponent: Int
  /// The numbers of digits before and after the point when the number is written without exponent, as SQL's `numeric` does.
  public let written: (whole: Int, fraction: Int)

  private static let limit = 1 << 40

  /// - Parameter text: a number that is valid by the grammar.
  public init(_ text: String) {
    var digits: [UInt8] = []
    var whole = 0
    var fraction: Int?
    var rest = Substring(text).utf8
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative { rest.removeFirst() }
    while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
      rest.removeFirst()
      if byte == UInt8(ascii: ".") {
        fraction = 0
      } else {
        digits.append(byte)
        if let count = fraction { fraction = count + 1 } else { whole += 1 }
      }
    }
    let power = Self.power(rest.dropFirst())
    written = (max(1, whole + power), max(0, (fraction ?? 0) - power))
    var exponent = power - (fraction ?? 0)
    while digits.last == UInt8(ascii: "0") {
      digits.removeLast()
      exponent += 1
    }
    self.digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
    self.exponent = self.digits.isEmpty ? 0 : exponent
    self.isNegative = isNegative && !self.digits.isEmpty
  }

  private static func power(_ text: Substring.UTF8View) -> Int {
    if text.isEmpty { return 0 }
    let digits = String(Substring(text))
    return max(-limit, min(limit, Int(digits) ?? (text.first == UInt8(ascii: "-") ? -limit : limit)))
  }

  /// The value as an integer; nil when it has a fraction or does not fit.
  public var whole: Int? {
    guard exponent >= 0, digits.count + exponent <= 19 else { return nil }
    let text = String(decoding: digits + [UInt8](repeating: UInt8(ascii: "0"), count: exponent), as: UTF8.self)
    return text.isEmpty ? 0 : Int(isNegative ? "-" + text : text)
  }

  public static func == (one: JSONNumber, other: JSONNumber) -> Bool {
    one.isNegative == other.isNegative && one.exponent == other.exponent && one.digits == other.digits
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(isNegative)
    hasher.combine(exponent)
    hasher.combine(digits)
  }
}

extension JSONValue {
  /// The value as an integer, however it is written (`2`, `2.0`, `2e0`); nil when it is not a number, has a fraction, or
  /// does not fit.
  public var whole: Int? { if case .number(let text) = self { JSONNumber(text).whole } else { nil } }

  /// Whether both are the same JSON value: numbers are compared by value, the order of members does not count.
  ///
  /// Texts are compared by their bytes, unlike `==`, which uses Unicode's canonical equivalence.
  public func isSame(as other: JSONValue) -> Bool {
    switch (self, other) {
    case (.null, .null): true
    case (.flag(let one), .flag(let two)): one == two
    case (.number(let one), .number(let two)): one == two || JSONNumber(one) == JSONNumber(two)
    case (.string(let one), .string(let two)): one.utf8.elementsEqual(two.utf8)
    case (.array(let one), .array(let two)):
      one.count == two.count && zip(one, two).allSatisfy { $0.isSame(as: $1) }
    case (.object(let one), .object(let two)):
      one.count == two.count && Self.isSame(Self.sorted(one), Self.sorted(two))
    default: false
    }
  }

  private static func isSame(_ one: [Member], _ two: [Member]) -> Bool {
    zip(one, two).allSatisfy { $0.key.utf8.elementsEqual($1.key.utf8) && $0.value.isSame(as: $1.value) }
  }

  private static func sorted(_ members: [Member]) -> [Member] {
    members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  /// Whether this value has every member of `pattern`, at any depth, and equals it where the pattern is not an object.
  public func contains(_ pattern: JSONValue) -> Bool {
    guard case .object(let wanted) = pattern else { return isSame(as: pattern) }
    guard case .object(let members) = self else { return false }
    return wanted.allSatisfy { want in
      members.contains { $0.key.utf8.elementsEqual(want.key.utf8) && $0.value.contains(want.value) }
    }
  }
}
