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
  ///   - body: one JSON object that `JSONShape` has accepted.
  ///   - member: the name of the array of codes.
  ///   - max: the largest number of codes in one call.
  init?(_ body: [UInt8], member: String, max: Int) {
    guard body.count <= CodeList.largestBody else { return nil }
    var scan = Scan(body)
    guard scan.skip(UInt8(ascii: "{")), let key = scan.text(), key.elementsEqual(member.utf8),
      scan.skip(UInt8(ascii: ":")), scan.skip(UInt8(ascii: "["))
    else { return nil }
    var codes: [PointCode] = []
    var seen = Set<PointCode>()
    repeat {
      guard let text = scan.text(), !text.isEmpty, codes.count < max else { return nil }
      let code = PointCode(bytes: text)
      guard seen.insert(code).inserted else { return nil }
      codes.append(code)
    } while scan.skip(UInt8(ascii: ","))
    guard scan.skip(UInt8(ascii: "]")), scan.skip(UInt8(ascii: "}")), scan.isAtEnd else { return nil }
    self.codes = codes
    size = body.count
  }

  /// Matches tokens of well-formed JSON. Returns slices of the body, so that the codes are not copied.
  private struct Scan {
    let body: [UInt8]
    var position = 0

    init(_ body: [UInt8]) { self.body = body }

    private mutating func skipSpace() {
      while position < body.count, [0x20, 0x0A, 0x0D, 0x09].contains(body[position]) { position += 1 }
    }

    var isAtEnd: Bool {
      mutating get {
        skipSpace()
        return position == body.count
      }
    }

    /// Skips a byte; false where another one comes next.
    mutating func skip(_ byte: UInt8) -> Bool {
      skipSpace()
      guard position < body.count, body[position] == byte else { return false }
      position += 1
      return true
    }

    /// Returns the inside of a string; nil where none comes next, or one with an escape.
    mutating func text() -> ArraySlice<UInt8>? {
      guard skip(UInt8(ascii: "\"")) else { return nil }
      let start = position
      while position < body.count {
        let byte = body[position]
        if byte == UInt8(ascii: "\\") { return nil }
        position += 1
        if byte == UInt8(ascii: "\"") { return body[start..<position - 1] }
      }
      return nil
    }
  }
}
