import AdapterAPI

/// Splits the response of a merged call, so that each request gets the envelope with its own elements.
///
/// Nothing is decoded and encoded again: a request gets slices of the upstream's text, so numbers keep every digit. They have the order of
/// the request's codes, or the upstream's own order where it has one, as in a response to the request alone. A response that is not
/// fully understood is refused.
struct BatchSplitter: Sendable {
  enum Refusal: Error, Equatable {
    /// The upstream's responses have another form than the adapter declares. The end of a sentence.
    case form(String)
    /// This response can't be split; the next one may be.
    case once
  }

  private let text: [UInt8]
  private let members: [BatchScanner.Member]
  private let elements: [BatchScanner.Element]
  /// The index of the first element of each point.
  private let first: [PointCode: Int]
  /// The index of the next element of the same point, or -1.
  private let next: [Int]
  /// The response does not have the order of the call's codes: the upstream has an order of its own.
  private(set) var hasOwnOrder = false
  /// Parts keep the order of the text.
  private let keepsOwnOrder: Bool

  /// - Parameters:
  ///   - text: the whole body of a good response.
  ///   - codes: the codes of the call.
  ///   - keepsOwnOrder: an earlier response has shown that the upstream has an order of its own.
  init(
    _ text: [UInt8], codes: [PointCode], _ merging: PointMerging, keepsOwnOrder: Bool = false
  ) throws(Refusal) {
    var scanner = BatchScanner(text, merging, codes: Set(codes))
    try scanner.scan()
    var first: [PointCode: Int] = [:]
    var next = [Int](repeating: -1, count: scanner.elements.count)
    // From the last to the first, so that each chain goes forward.
    for index in scanner.elements.indices.reversed() {
      next[index] = first.updateValue(index, forKey: scanner.elements[index].code) ?? -1
    }
    self.text = text
    members = scanner.members
    elements = scanner.elements
    self.first = first
    self.next = next
    let places = Dictionary(zip(codes, 0...)) { first, _ in first }
    var last = [Int](repeating: 0, count: members.count)
    for element in elements {
      let place = places[element.code] ?? 0
      if place < last[element.member] { hasOwnOrder = true }
      last[element.member] = place
    }
    self.keepsOwnOrder = keepsOwnOrder || hasOwnOrder
  }

  /// Returns the body for a request whose codes are among those of the call.
  func body(for codes: [PointCode]) -> [UInt8] {
    let own = elementIndices(for: codes)
    var out: [UInt8] = []
    out.reserveCapacity(own.joined().reduce(256) { $0 + elements[$1].text.count + 1 })
    var isFirst = true
    for (member, ours) in zip(members, own) {
      guard let array = member.array else {
        append(member, upTo: member.text.upperBound, isFirst: isFirst, to: &out)
        isFirst = false
        continue
      }
      if ours.isEmpty, array.isLeftOutWhenEmpty, array.hasElements { continue }
      append(member, upTo: array.open, isFirst: isFirst, to: &out)
      isFirst = false
      for (number, element) in ours.enumerated() {
        if number > 0 { out.append(UInt8(ascii: ",")) }
        out.append(contentsOf: text[elements[element].text])
      }
      out.append(UInt8(ascii: "]"))
    }
    let end = members.last?.text.upperBound ?? 0
    out.append(contentsOf: isFirst ? [UInt8(ascii: "{"), UInt8(ascii: "}")] : text[end...])
    return out
  }

  /// Returns the indices of the elements of each array.
  private func elementIndices(for codes: [PointCode]) -> [[Int]] {
    var own = [[Int]](repeating: [], count: members.count)
    for code in codes {
      var index = first[code] ?? -1
      while index >= 0 {
        own[elements[index].member].append(index)
        index = next[index]
      }
    }
    return keepsOwnOrder ? own.map { $0.sorted() } : own
  }

  /// Appends a member after the opening brace or comma, with the upstream's white space.
  private func append(_ member: BatchScanner.Member, upTo end: Int, isFirst: Bool, to out: inout [UInt8]) {
    let before = isFirst ? 0..<members[0].text.lowerBound : member.separator..<member.text.lowerBound
    out.append(contentsOf: text[before])
    out.append(contentsOf: text[member.text.lowerBound..<end])
  }
}
