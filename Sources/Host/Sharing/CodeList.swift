import AdapterAPI

/// A point's code or id: its bytes, for two spellings that Unicode calls equal may be two points.
struct PointCode: Hashable, Sendable {
  let bytes: ArraySlice<UInt8>

  static func == (a: PointCode, b: PointCode) -> Bool { a.bytes.elementsEqual(b.bytes) }

  /// `Hasher` is seeded per process, so nobody can choose codes that collide.
  func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

/// The codes that one caller asks for, where his body says nothing else.
///
/// Merged is a body only if it is exactly `{"codes":["…",…]}`: one member, texts without escapes, none empty, none twice. Of
/// any other nobody knows what the upstream would make of it; it goes upstream by itself, as it came.
struct CodeList: Sendable {
  /// In the caller's order.
  let codes: [PointCode]
  /// The bytes of the body, which stays in memory with them.
  let size: Int

  /// No longer body is merged, and no merged one is longer: the default of what one caller may send.
  static let largestBody = 1 << 20

  /// - Parameters:
  ///   - body: one JSON object (`JSONShape`).
  ///   - member: what the array of codes is called.
  ///   - max: how many codes one call may have.
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

  /// Moves over JSON that is known to be well-formed.
  private struct Scan {
    let body: [UInt8]
    var position = 0

    init(_ body: [UInt8]) { self.body = body }

    private mutating func skipSpace() {
      while position < body.count, [0x20, 0x0a, 0x0d, 0x09].contains(body[position]) { position += 1 }
    }

    var isAtEnd: Bool {
      mutating get {
        skipSpace()
        return position == body.count
      }
    }

    /// False, and no step, where another byte comes next.
    mutating func skip(_ byte: UInt8) -> Bool {
      skipSpace()
      guard position < body.count, body[position] == byte else { return false }
      position += 1
      return true
    }

    /// What stands between two quotes; nil where no text comes next, or one with an escape.
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
