import AdapterAPI

/// A point's code or id, compared by its bytes: two spellings that Unicode calls equal may be two points.
struct PointCode: Hashable, Sendable {
  let bytes: ArraySlice<UInt8>

  static func == (a: PointCode, b: PointCode) -> Bool { a.bytes.elementsEqual(b.bytes) }

  /// `Hasher` is seeded per process, so a caller can't choose codes that collide.
  func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

/// The codes in the body of a request that can be merged.
///
/// The body must be exactly `{"codes":["…",…]}`: one member, strings without escapes, none empty, none twice. The meaning of any
/// other body is the upstream's affair, so it goes upstream by itself and unchanged.
struct CodeList: Sendable {
  /// In the caller's order.
  let codes: [PointCode]
  /// The size of the body, which stays in memory with the codes.
  let size: Int

  /// The largest body that is merged, and the largest merged body, in bytes: the default limit of a caller's body.
  static let largestBody = 1 << 20

  /// - Parameters:
  ///   - body: one JSON object.
  ///   - member: the name of the array of codes.
  ///   - max: the largest number of codes in one call.
  init?(_ body: [UInt8], member: String, max: Int) {
    guard body.count <= CodeList.largestBody, let list = CodeList.soleMember(member, of: body) else { return nil }
    var codes: [PointCode] = []
    var seen = Set<PointCode>()
    var isMergeable = true
    let isArray = body.withUnsafeBufferPointer { bytes in
      nil
        != (try? JSONPieces.elements(of: UnsafeBufferPointer(rebasing: bytes[list])) { element, offset in
          let start = list.lowerBound + offset + 1
          isMergeable =
            element[0] == UInt8(ascii: "\"") && element.count > 2 && !element.contains(UInt8(ascii: "\\"))
            && codes.count < max
          guard isMergeable else { return false }
          // A slice, so that the codes are not copied.
          codes.append(PointCode(bytes: body[start..<start + element.count - 2]))
          isMergeable = seen.insert(codes[codes.count - 1]).inserted
          return isMergeable
        })
    }
    guard isArray, isMergeable, !codes.isEmpty else { return nil }
    self.codes = codes
    size = body.count
  }

  /// Returns the range of the value of an object's only member; nil where there are more, or its name has escapes.
  private static func soleMember(_ name: String, of body: [UInt8]) -> Range<Int>? {
    var values: [Range<Int>] = []
    let isObject = body.withUnsafeBufferPointer { bytes in
      nil
        != (try? JSONPieces.members(of: bytes, uniqueKeys: false) { key, value in
          guard let base = bytes.baseAddress, let start = value.baseAddress, values.count < 2 else { return }
          values.append(key == name ? start - base..<start - base + value.count : 0..<0)
        })
    }
    guard isObject, values.count == 1, let value = values.first, !value.isEmpty,
      !body[..<value.lowerBound].contains(UInt8(ascii: "\\"))
    else { return nil }
    return value
  }
}
