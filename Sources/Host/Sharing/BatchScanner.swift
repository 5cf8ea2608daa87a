import AdapterAPI

/// Finds the members and elements of a merged call's response in its text, and refuses a text that is not fully understood.
struct BatchScanner {
  /// A member of the envelope.
  struct Member: Sendable {
    /// The end of the value before it; 0 for the first member.
    let separator: Int
    /// From the key to the end of the value.
    let text: Range<Int>
    /// Nil: the same for every request.
    var array: Elements?
  }

  struct Elements: Sendable {
    /// After the opening bracket.
    let open: Int
    /// The closing bracket.
    let close: Int
    let isLeftOutWhenEmpty: Bool
    var hasElements = false
  }

  /// An element of an array.
  struct Element: Sendable {
    let text: Range<Int>
    /// The index of its array's member.
    let member: Int
    /// The code of its point.
    let code: PointCode
  }

  private let text: [UInt8]
  private let merging: PointMerging
  private let codes: Set<PointCode>
  private(set) var members: [Member] = []
  private var names: [String] = []
  private(set) var elements: [Element] = []

  /// - Parameter codes: the codes of the call.
  init(_ text: [UInt8], _ merging: PointMerging, codes: Set<PointCode>) {
    self.text = text
    self.merging = merging
    self.codes = codes
  }

  mutating func scan() throws(BatchSplitter.Refusal) {
    // Typed errors do not pass through `withUnsafeBufferPointer` in every toolchain; a result does.
    let text = text
    try text.withUnsafeBufferPointer { bytes in
      Result { () throws(BatchSplitter.Refusal) in
        try scanMembers(bytes)
        try checkHasPoints()
        for index in members.indices { try scanElements(bytes, of: index) }
      }
    }.get()
  }

  private mutating func scanMembers(_ bytes: UnsafeBufferPointer<UInt8>) throws(BatchSplitter.Refusal) {
    guard let base = bytes.baseAddress else { throw .form("is empty") }
    var refusal: BatchSplitter.Refusal?
    var end = 0
    do throws(JSONShape.Problem) {
      try JSONPieces.members(of: bytes, uniqueKeys: false, allowsMark: true) { key, value in
        guard refusal == nil, let open = value.baseAddress.map({ $0 - base }) else { return }
        refusal = objection(to: key, value.first)
        names.append(key)
        // Before a key stand the opening brace or a comma, and white space; before the first one a byte order mark, too.
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
      throw .form("is not a JSON object")
    }
    if let refusal { throw refusal }
  }

  /// Refuses a response without the array of points. One of the points may be the reason.
  private func checkHasPoints() throws(BatchSplitter.Refusal) {
    for array in merging.arrays where !array.isLeftOutWhenEmpty && !names.contains(array.member) { throw .once }
  }

  /// Returns the reason why a member is not understood; nil when it is.
  ///
  /// - Parameter first: the value's first byte.
  private func objection(to key: String, _ first: UInt8?) -> BatchSplitter.Refusal? {
    // Nothing is read after an unknown name, so the list of names is short.
    if names.contains(key) { return .form("has the member '\(Spelling.printable(key))' twice") }
    if merging.common.contains(key) { return nil }
    guard merging.arrays.contains(where: { $0.member == key }) else {
      return .form("has a member that the adapter does not know: '\(Spelling.printable(key))'")
    }
    // Null: no point has an element.
    if first == UInt8(ascii: "[") || first == UInt8(ascii: "n") { return nil }
    return .form("does not have an array in '\(Spelling.printable(key))'")
  }

  private mutating func scanElements(
    _ bytes: UnsafeBufferPointer<UInt8>, of index: Int
  ) throws(BatchSplitter.Refusal) {
    guard let array = members[index].array else { return }
    let start = array.open - 1
    var isUnderstood = true
    do throws(JSONShape.Problem) {
      try JSONPieces.elements(of: UnsafeBufferPointer(rebasing: bytes[start...array.close])) { element, offset in
        let range = start + offset..<start + offset + element.count
        guard let code = code(of: element, at: range.lowerBound), codes.contains(code) else {
          isUnderstood = false
          return false
        }
        elements.append(Element(text: range, member: index, code: code))
        members[index].array?.hasElements = true
        return true
      }
    } catch {
      throw .once
    }
    guard isUnderstood else { throw .once }
  }

  /// Returns the code of an element's point; nil unless the element has it exactly once, as a string.
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
