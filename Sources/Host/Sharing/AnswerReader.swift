import AdapterAPI

/// Finds a merged answer's members and elements in its text, and refuses what is not fully understood.
struct AnswerReader {
  /// A member of the envelope.
  struct Member: Sendable {
    /// Where the value before it ends; 0 for the first.
    let separator: Int
    /// From its key to its value's end.
    let text: Range<Int>
    /// Nil: the same for everybody.
    let array: Elements?
  }

  struct Elements: Sendable {
    /// Behind the opening bracket.
    let open: Int
    /// The closing bracket.
    let close: Int
    let isLeftOutWhenEmpty: Bool
    var holdsElements = false
  }

  /// An element of one of the arrays.
  struct Element: Sendable {
    let text: Range<Int>
    /// The place of the member it stands in.
    let member: Int
    /// The point it is of.
    let code: PointCode
  }

  private let text: [UInt8]
  private let merging: PointMerging
  private let asked: Set<PointCode>
  private(set) var members: [Member] = []
  /// The members' names.
  private var seen: [String] = []
  private(set) var elements: [Element] = []

  init(_ text: [UInt8], _ merging: PointMerging, asked: Set<PointCode>) {
    self.text = text
    self.merging = merging
    self.asked = asked
  }

  mutating func read() throws(AnswerCut.Refusal) {
    // Typed errors do not pass through `withUnsafeBufferPointer` in every toolchain; a result does.
    let text = text
    try text.withUnsafeBufferPointer { bytes in
      Result { () throws(AnswerCut.Refusal) in
        try readMembers(bytes)
        try checkHasPoints()
        for index in members.indices { try readElements(bytes, of: index) }
      }
    }.get()
  }

  private mutating func readMembers(_ bytes: UnsafeBufferPointer<UInt8>) throws(AnswerCut.Refusal) {
    guard let base = bytes.baseAddress else { throw .form("is empty") }
    var refusal: AnswerCut.Refusal?
    var end = 0
    do throws(JSONShape.Problem) {
      try JSONPieces.members(of: bytes, uniqueKeys: false) { key, value in
        guard refusal == nil, let open = value.baseAddress.map({ $0 - base }) else { return }
        refusal = objection(to: key, value.first)
        seen.append(key)
        // Before a key there are a comma or the opening brace, and white space.
        let separator = end
        var start = separator
        while start < open, bytes[start] != UInt8(ascii: "\"") { start += 1 }
        end = open + value.count
        let array = merging.arrays.first { $0.member == key }.flatMap { array in
          value.first == UInt8(ascii: "[")
            ? Elements(open: open + 1, close: end - 1, isLeftOutWhenEmpty: array.isLeftOutWhenEmpty) : nil
        }
        members.append(Member(separator: separator, text: start..<end, array: array))
      }
    } catch {
      throw .form("is no JSON object")
    }
    if let refusal { throw refusal }
  }

  /// An answer without the array of points says nothing of any of them; one point may be why.
  private func checkHasPoints() throws(AnswerCut.Refusal) {
    let names = merging.arrays.filter { !$0.isLeftOutWhenEmpty }.map(\.member)
    if names.contains(where: { !seen.contains($0) }) { throw .once }
  }

  /// - Parameter first: the value's first byte.
  private func objection(to key: String, _ first: UInt8?) -> AnswerCut.Refusal? {
    // Two members of one name are two answers. Nothing is read behind an unknown name, so the list is short.
    if seen.contains(key) { return .form("has the member '\(Spelling.printable(key))' twice") }
    if merging.common.contains(key) { return nil }
    guard merging.arrays.contains(where: { $0.member == key }) else {
      return .form("has a member that the adapter does not know: '\(Spelling.printable(key))'")
    }
    // Null: nobody has an element.
    if first == UInt8(ascii: "[") || first == UInt8(ascii: "n") { return nil }
    return .form("has something else than an array in '\(Spelling.printable(key))'")
  }

  private mutating func readElements(
    _ bytes: UnsafeBufferPointer<UInt8>, of index: Int
  ) throws(AnswerCut.Refusal) {
    guard var array = members[index].array else { return }
    let start = array.open - 1
    var isUnderstood = true
    do throws(JSONShape.Problem) {
      try JSONPieces.elements(of: UnsafeBufferPointer(rebasing: bytes[start...array.close])) { element, offset in
        let range = start + offset..<start + offset + element.count
        guard let code = code(of: element, at: range.lowerBound), asked.contains(code) else {
          isUnderstood = false
          return false
        }
        elements.append(Element(text: range, member: index, code: code))
        array.holdsElements = true
        return true
      }
    } catch {
      throw .once
    }
    guard isUnderstood else { throw .once }
    let member = members[index]
    members[index] = Member(separator: member.separator, text: member.text, array: array)
  }

  /// The point that an element is of; nil where it does not say so exactly once, as a text.
  private func code(of element: UnsafeBufferPointer<UInt8>, at offset: Int) -> PointCode? {
    var ids: [PointCode?] = []
    let isObject: Void? = try? JSONPieces.members(of: element, uniqueKeys: false) { key, value in
      guard key == merging.id, ids.count < 2, let start = value.baseAddress, let base = element.baseAddress else {
        return
      }
      let from = offset + (start - base)
      ids.append(id(value, at: from..<from + value.count))
    }
    guard isObject != nil, ids.count == 1 else { return nil }
    return ids[0]
  }

  private func id(_ value: UnsafeBufferPointer<UInt8>, at range: Range<Int>) -> PointCode? {
    guard value.count >= 2, value.first == UInt8(ascii: "\"") else { return nil }
    guard value.contains(UInt8(ascii: "\\")) else {
      return PointCode(bytes: text[range.lowerBound + 1..<range.upperBound - 1])
    }
    // A lone surrogate becomes U+0000, which no code has, for that needs an escape.
    guard case .string(let id)? = try? JSONValue(storing: value) else { return nil }
    return PointCode(bytes: Array(id.utf8)[...])
  }
}
