import AdapterAPI
import TestSupport

@testable import Host

/// An upstream in memory, whose responses to a list of codes use all that JSON allows.
struct ModelUpstream {
  static let merging = PointMerging(
    codes: "codes",
    arrays: [PointMerging.Elements("ResultPointObjArr"), PointMerging.Elements("errors", isLeftOutWhenEmpty: true)],
    id: "pointId", common: ["code", "msg"])

  /// Codes for which every request is rejected.
  var rejected: Set<String> = []
  /// Points that a response leaves out.
  var missing: Set<String> = []
  /// Points that stand in `errors`.
  var broken: Set<String> = []
  /// Responses have the upstream's order instead of the request's.
  var sorts = false
  /// White space stands between all tokens.
  var isSpaced = false
  /// Ids in responses are escaped.
  var escapesIDs = false
  /// The envelope's other members stand after the array.
  var isReversed = false
  /// Points with two elements.
  var doubles: Set<String> = []
  /// A member that the adapter does not declare.
  var unknown = ""
  private(set) var calls: [[String]] = []

  init() {}

  static let numbers = [
    "18.5", "1e400", "0.10", "12345678901234567890", "-0", "1E-7", "\"7.50\"", "true", "null", "[1, 2 ,3]",
    #"{"a":{"pointId":"x"}}"#, #""a\"],[{\\""#, #""\ud83d""#,
  ]

  init(random: inout SeededGenerator, pool: [String]) {
    func some(_ share: Int, _ random: inout SeededGenerator) -> Set<String> {
      Set(pool.filter { _ in Int.random(in: 0..<100, using: &random) < share })
    }
    missing = some(10, &random)
    broken = some(15, &random)
    doubles = some(10, &random)
    sorts = Bool.random(using: &random)
    isSpaced = Bool.random(using: &random)
    escapesIDs = Bool.random(using: &random)
    isReversed = Bool.random(using: &random)
  }

  static func body(_ codes: [String]) -> [UInt8] {
    Array("{\"codes\":[\(codes.map { "\"\($0)\"" }.joined(separator: ","))]}".utf8)
  }

  /// Records a call. Returns the response, and whether it is a good one.
  mutating func answer(_ codes: [String]) -> (text: [UInt8], isGood: Bool) {
    calls.append(codes)
    return Self.answer(codes, self)
  }

  func unmerged(_ codes: [String]) -> (text: [UInt8], isGood: Bool) { Self.answer(codes, self) }

  private static func answer(_ asked: [String], _ model: ModelUpstream) -> (text: [UInt8], isGood: Bool) {
    guard model.rejected.isDisjoint(with: asked) else {
      return (Array(#"{"code":500,"error":"a point of \#(asked.count) is bad"}"#.utf8), false)
    }
    let space = model.isSpaced ? " \n\t" : ""
    let codes = model.sorts ? asked.sorted { hash($0) < hash($1) } : asked
    var good: [String] = []
    var bad: [String] = []
    for code in codes where !model.missing.contains(code) {
      for turn in 0..<(model.doubles.contains(code) ? 2 : 1) {
        let element = model.element(code, turn: turn, space)
        if model.broken.contains(code) { bad.append(element) } else { good.append(element) }
      }
    }
    func array(_ key: String, _ elements: [String]) -> String {
      "\"\(key)\"\(space):\(space)[\(elements.joined(separator: "\(space),\(space)"))]"
    }
    var members = ["\"code\"\(space):\(space)200", #""m\u0073g":"ok ] \" }""#]
    members.insert(array("ResultPointObjArr", good), at: model.isReversed ? 0 : 2)
    if !bad.isEmpty { members.insert(array("errors", bad), at: model.isReversed ? 0 : 3) }
    if !model.unknown.isEmpty { members.append(model.unknown) }
    return (Array("\(space){\(space)\(members.joined(separator: "\(space),\(space)"))\(space)}\(space)".utf8), true)
  }

  private func element(_ code: String, turn: Int, _ space: String) -> String {
    let seed = Self.hash(code)
    let value = Self.numbers[(seed + turn) % Self.numbers.count]
    let id = escapesIDs ? code.unicodeScalars.map { Self.escaped($0) }.joined() : code
    let parts = ["\"pointId\"\(space):\"\(id)\"", "\"value\":\(value)", #""extra":{"pointId":["other",{}]}"#]
    return "{" + (seed % 2 == 0 ? parts : parts.reversed()).joined(separator: ",\(space)") + "}"
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    let hex = "0123456789abcdef".map { $0 }
    return String(scalar).utf16.map { unit in
      "\\u" + [12, 8, 4, 0].map { String(hex[Int(unit >> $0 & 15)]) }.joined()
    }.joined()
  }

  private static func hash(_ text: String) -> Int { text.utf8.reduce(7) { ($0 * 31 + Int($1)) % 10_007 } }
}

/// Returns a response's members, with arrays as their elements: everything but white space.
func pieces(_ text: [UInt8]) throws -> [String] {
  var found: [String] = []
  try text.withUnsafeBufferPointer { bytes in
    try JSONPieces.members(of: bytes, uniqueKeys: true) { key, value in
      guard value.first == UInt8(ascii: "[") else {
        found.append("\(key)=\(String(decoding: value, as: UTF8.self))")
        return
      }
      found.append("\(key):")
      try? JSONPieces.elements(of: value) { element, _ in
        found.append(String(decoding: element, as: UTF8.self))
        return true
      }
    }
  }
  return found
}
