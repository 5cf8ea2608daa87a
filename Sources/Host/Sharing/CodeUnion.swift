import AdapterAPI

/// The codes of several callers without doubles, in the order in which they came.
struct CodeUnion: Sendable {
  private(set) var codes: [PointCode] = []
  private var places: [PointCode: Int] = [:]
  /// Of the codes, with quotes and commas.
  private var bytes = 0

  /// Takes a list whole, or not at all where the union would have more than `max` codes: a caller's codes stay together in
  /// one call, so the order of his answer is the upstream's own.
  ///
  /// - Returns: the places of the list's codes; nil when it was not taken.
  mutating func add(_ list: CodeList, max: Int) -> [Int]? {
    var (count, size) = (codes.count, bytes)
    for code in list.codes where places[code] == nil {
      count += 1
      size += code.bytes.count + 3
    }
    // The first list is always taken; it fits by itself.
    guard codes.isEmpty || (count <= max && size <= CodeList.largestBody) else { return nil }
    bytes = size
    return list.codes.map { code in
      if let place = places[code] { return place }
      places[code] = codes.count
      codes.append(code)
      return codes.count - 1
    }
  }

  /// The request for those codes.
  static func body(of codes: [PointCode], member: String) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(member.utf8.count + 8 + codes.reduce(0) { $0 + $1.bytes.count + 3 })
    body.append("{\"")
    body.append(text: member)
    body.append("\":[")
    for (index, code) in codes.enumerated() {
      if index > 0 { body.append(UInt8(ascii: ",")) }
      body.append(UInt8(ascii: "\""))
      body.append(contentsOf: code.bytes)
      body.append(UInt8(ascii: "\""))
    }
    body.append("]}")
    return body
  }
}
