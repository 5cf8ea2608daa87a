import AdapterAPI

/// The points and values of a write's body as text for the log, shortened: `C_5001_AV_0001=21.5, C_5001_BV_0002=true`.
///
/// Values are shown as they are written in the body. Other members of the body are not shown.
struct WrittenPoints {
  /// The largest number of points that are shown, and of the bytes of their values.
  static let maxPoints = 10
  static let maxValueBytes = 256
  /// The largest number of bytes of a point's id that are shown.
  static let maxIDBytes = 64
  /// More bytes than a text has.
  static let textLimit = 2048

  private(set) var text: [UInt8] = []
  /// The number of points in the body; nil for a body of another form, whose first bytes are the text.
  private(set) var count: Int?

  /// - Parameter body: JSON that was checked.
  init(_ body: [UInt8]) {
    body.withUnsafeBufferPointer { bytes in
      var elements: UnsafeBufferPointer<UInt8>?
      try? JSONPieces.members(of: bytes, uniqueKeys: false) { if $0 == "aryPoints" { elements = $1 } }
      if elements.map({ add(elements: $0) }) == true { return }
      count = nil
      text = []
      append(bytes, limit: WrittenPoints.maxValueBytes)
    }
  }

  /// Adds the points of the array. Returns false if it is none, or has an element of another form.
  private mutating func add(elements: UnsafeBufferPointer<UInt8>) -> Bool {
    var total = 0
    var shown = 0
    var room = WrittenPoints.maxValueBytes
    var isKnown = true
    do {
      try JSONPieces.elements(of: elements) { element, _ in
        total += 1
        guard shown == total - 1, shown < WrittenPoints.maxPoints, room > 0 else { return true }
        isKnown = add(point: element, room: &room)
        shown += 1
        return isKnown
      }
    } catch {
      return false
    }
    if total > shown { text.append(text: " …and \(total - shown) more") }
    count = total
    return isKnown
  }

  private mutating func add(point: UnsafeBufferPointer<UInt8>, room: inout Int) -> Bool {
    var id: UnsafeBufferPointer<UInt8>?
    var value: UnsafeBufferPointer<UInt8>?
    try? JSONPieces.members(of: point, uniqueKeys: false) { key, bytes in
      if key == "pointId" { id = bytes }
      if key == "value" { value = bytes }
    }
    guard let id, let value, id.first == UInt8(ascii: "\"") else { return false }
    if !text.isEmpty { text.append(", ") }
    // Without the quotation marks.
    append(UnsafeBufferPointer(rebasing: id[1..<id.count - 1]), limit: WrittenPoints.maxIDBytes)
    text.append("=")
    append(value, limit: room)
    room -= value.count
    return true
  }

  /// Appends the bytes, cut between characters after `limit` bytes.
  private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, limit: Int) {
    guard bytes.count > limit else { return text.append(contentsOf: bytes) }
    var end = limit
    while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    text.append(contentsOf: bytes[..<end])
    text.append("…")
  }
}
