import AdapterAPI

/// The codes of several requests without duplicates, in order of arrival.
struct MergedCodes: Sendable {
  private(set) var codes: [PointCode] = []
  private var indices: [PointCode: Int] = [:]
  /// The size of the codes with quotes and commas.
  private var size = 0

  /// Adds a request's codes: all, or none where there would be more than `max`. A request's codes stay together in one call, so that
  /// its response comes from one response of the upstream.
  ///
  /// - Returns: the indices of the request's codes; nil when they were not added.
  mutating func add(_ list: CodeList, max: Int) -> [Int]? {
    var (count, size) = (codes.count, size)
    for code in list.codes where indices[code] == nil {
      count += 1
      size += code.bytes.count + 3
    }
    // The first list always fits.
    guard codes.isEmpty || (count <= max && size <= CodeList.largestBody) else { return nil }
    self.size = size
    return list.codes.map { code in
      if let index = indices[code] { return index }
      indices[code] = codes.count
      codes.append(code)
      return codes.count - 1
    }
  }

  /// Returns the body of a request for those codes.
  static func body(of codes: [PointCode], member: String) -> [UInt8] {
    JSONWriter.object(capacity: member.utf8.count + 8 + codes.reduce(0) { $0 + $1.bytes.count + 3 }) { json in
      json.key(member)
      // The codes stand in a request's body without escapes, so they need none here.
      json.array(of: codes) { json, code in json.quoted(code.bytes) }
    }
  }
}
