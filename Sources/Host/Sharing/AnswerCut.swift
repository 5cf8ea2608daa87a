import AdapterAPI

/// A merged answer, taken apart so that each caller gets the envelope with his own elements.
///
/// Nothing is decoded and written again: what a caller gets are slices of the upstream's text, in its order, so numbers keep
/// every digit. What is not fully understood is refused.
struct AnswerCut: Sendable {
  enum Refusal: Error, Equatable {
    /// The upstream's answers have another form than the adapter knows. The rest of a sentence.
    case form(String)
    /// This answer can't be cut; another one may be.
    case once
  }

  private let text: [UInt8]
  private let members: [AnswerReader.Member]
  private let elements: [AnswerReader.Element]
  /// The first element of each point.
  private let first: [PointCode: Int]
  /// The element that follows of the same point, or -1.
  private let next: [Int]

  /// - Parameters:
  ///   - text: a good answer's whole body.
  ///   - codes: what was asked for.
  init(_ text: [UInt8], asked codes: [PointCode], _ merging: PointMerging) throws(Refusal) {
    var reader = AnswerReader(text, merging, asked: Set(codes))
    try reader.read()
    var first: [PointCode: Int] = [:]
    var next = [Int](repeating: -1, count: reader.elements.count)
    // From the last to the first, so that each chain goes forward.
    for index in reader.elements.indices.reversed() {
      next[index] = first.updateValue(index, forKey: reader.elements[index].code) ?? -1
    }
    self.text = text
    members = reader.members
    elements = reader.elements
    self.first = first
    self.next = next
  }

  /// The answer to somebody who asked for those codes, all of which were asked for here.
  func answer(for codes: [PointCode]) -> [UInt8] {
    var own: [Int] = []
    own.reserveCapacity(codes.count)
    for code in codes {
      var index = first[code] ?? -1
      while index >= 0 {
        own.append(index)
        index = next[index]
      }
    }
    own.sort()
    var rest = own[...]
    var out: [UInt8] = []
    out.reserveCapacity(own.reduce(256) { $0 + elements[$1].text.count + 1 })
    var isFirst = true
    for (index, member) in members.enumerated() {
      // The elements are in the order of the text, so those of one array stand together.
      let count = rest.prefix { elements[$0].member == index }.count
      let ours = rest.prefix(count)
      rest = rest.dropFirst(count)
      guard let array = member.array else {
        append(member, upTo: member.text.upperBound, isFirst: isFirst, to: &out)
        isFirst = false
        continue
      }
      if ours.isEmpty, array.isLeftOutWhenEmpty, array.holdsElements { continue }
      append(member, upTo: array.open, isFirst: isFirst, to: &out)
      isFirst = false
      for (place, element) in ours.enumerated() {
        if place > 0 { out.append(UInt8(ascii: ",")) }
        out.append(contentsOf: text[elements[element].text])
      }
      out.append(UInt8(ascii: "]"))
    }
    out.append(contentsOf: isFirst ? [UInt8(ascii: "{"), UInt8(ascii: "}")] : text[end...])
    return out
  }

  /// Behind the last member.
  private var end: Int { members.last?.text.upperBound ?? 0 }

  /// A member with what stands before it: the opening brace, or the comma, with the upstream's white space.
  private func append(_ member: AnswerReader.Member, upTo end: Int, isFirst: Bool, to out: inout [UInt8]) {
    if isFirst {
      let start = members[0].text.lowerBound
      out.append(contentsOf: text[..<start])
    } else {
      out.append(contentsOf: text[member.separator..<member.text.lowerBound])
    }
    out.append(contentsOf: text[member.text.lowerBound..<end])
  }
}
