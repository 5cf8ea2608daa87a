/// Finds the lines of a message's head, one after another, in bytes that arrive in any pieces (RFC 9112 §2.2, §5).
///
/// It reads each byte once, in order, and judges it by the bytes up to it (for CR: up to the next one). So a head that comes in one
/// piece and one that comes byte by byte get the same verdict, and an exceeded limit or a forbidden byte is noticed when it arrives,
/// not when the head is complete.
///
/// Line ends are CRLF and nothing else; control characters, folded lines and white space before a colon are refused.
struct HeaderScan {
  enum Event {
    case needMore
    /// The line from `lineStart` to `lineEnd` is the request or status line.
    case startLine
    /// The line is a field: its name ends at `nameEnd`, its value runs from `valueStart` to `valueEnd`.
    case field
    /// The empty line was found; the head ends at `cursor`.
    case end
    case failed(HTTPFault)
  }

  private enum Stage: UInt8 { case startLine, lineStart, name, value }

  /// The largest head whose offsets fit 32 bits without a risk of overflow.
  private static let largestHead = 1 << 30

  // 32 bits each, because every open connection has one of these structs.
  private var cursorOffset: UInt32 = 0
  private var lineOffset: UInt32 = 0
  private var nameOffset: UInt32 = 0
  private var endOffset: UInt32 = 0
  private var fields: UInt32 = 0
  private var stage = Stage.startLine

  /// The first byte that was not read yet.
  private(set) var cursor: Int {
    @inline(__always) get { Int(cursorOffset) }
    @inline(__always) set { cursorOffset = UInt32(truncatingIfNeeded: newValue) }
  }
  private(set) var lineStart: Int {
    @inline(__always) get { Int(lineOffset) }
    @inline(__always) set { lineOffset = UInt32(truncatingIfNeeded: newValue) }
  }
  /// The colon.
  private(set) var nameEnd: Int {
    @inline(__always) get { Int(nameOffset) }
    @inline(__always) set { nameOffset = UInt32(truncatingIfNeeded: newValue) }
  }
  /// The CR.
  private(set) var lineEnd: Int {
    @inline(__always) get { Int(endOffset) }
    @inline(__always) set { endOffset = UInt32(truncatingIfNeeded: newValue) }
  }
  @inline(__always) var isInStartLine: Bool { stage == .startLine }

  /// Steps over bytes before the start line.
  mutating func skip(_ count: Int) {
    cursor += count
    lineStart = cursor
  }

  /// Reads up to the end of the next line.
  @inline(__always)
  mutating func next(_ bytes: UnsafePointer<UInt8>, count: Int, limits: HTTPLimits) -> Event {
    let limit = min(max(limits.maxHeaderSize, 0), HeaderScan.largestHead)
    // The last place for a line's CR, because its LF must be within the limit too.
    let last = min(count, limit - 1)
    if stage == .startLine { return startLine(bytes, count, limit, limits.maxRequestLine) }
    if stage == .lineStart {
      let start = cursor
      if start >= limit { return .failed(.headTooLarge) }
      if start >= count { return .needMore }
      let byte = bytes[start]
      if byte == 0x0D {
        if start + 1 >= limit { return .failed(.headTooLarge) }
        if start + 1 >= count { return .needMore }
        guard bytes[start + 1] == 0x0A else { return .failed(.bareCR) }
        cursor = start + 2
        return .end
      }
      if byte == 0x20 || byte == 0x09 { return .failed(.folded) }
      if Int(fields) >= limits.maxHeaderFields { return .failed(.tooManyFields) }
      fields &+= 1
      lineStart = start
      stage = .name
    }
    if stage == .name {
      let found = HeaderScan.nameEnd(bytes, from: cursor, to: last)
      cursor = found
      if found >= last { return last < limit - 1 ? .needMore : .failed(.headTooLarge) }
      guard bytes[found] == UInt8(ascii: ":") else { return .failed(HeaderScan.notAColon(bytes[found])) }
      guard found > lineStart else { return .failed(.bad("A header line has no field name before its colon.")) }
      nameEnd = found
      cursor = found + 1
      stage = .value
    }
    let found = HeaderScan.control(bytes, from: cursor, to: last)
    cursor = found
    if found >= last { return last < limit - 1 ? .needMore : .failed(.headTooLarge) }
    guard bytes[found] == 0x0D else { return .failed(HeaderScan.strayControl(bytes[found])) }
    if found + 1 >= count { return .needMore }
    guard bytes[found + 1] == 0x0A else { return .failed(.bareCR) }
    lineEnd = found
    cursor = found + 2
    stage = .lineStart
    return .field
  }

  @inline(__always)
  private mutating func startLine(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ limit: Int, _ maxLine: Int
  ) -> Event {
    let lineLimit = lineStart + min(max(maxLine, 0), HeaderScan.largestHead) + 1
    let bound = min(lineLimit, limit - 1)
    let found = cursor < bound ? HeaderScan.control(bytes, from: cursor, to: min(count, bound)) : cursor
    cursor = found
    if found >= bound { return .failed(lineLimit <= limit - 1 ? .startLineTooLong : .headTooLarge) }
    if found >= count { return .needMore }
    guard bytes[found] == 0x0D else { return .failed(HeaderScan.strayControl(bytes[found])) }
    if found + 1 >= count { return .needMore }
    guard bytes[found + 1] == 0x0A else { return .failed(.bareCR) }
    lineEnd = found
    cursor = found + 2
    stage = .lineStart
    return .startLine
  }

  /// Returns the field's value without the optional white space around it (RFC 9110 §5.5). Valid after `.field`.
  @inline(__always)
  func value(_ bytes: UnsafePointer<UInt8>) -> ByteRange {
    var from = nameEnd + 1
    var to = lineEnd
    while from < to, bytes[from] == 0x20 || bytes[from] == 0x09 { from += 1 }
    while to > from, bytes[to - 1] == 0x20 || bytes[to - 1] == 0x09 { to -= 1 }
    return ByteRange(from, to)
  }

  private static func notAColon(_ byte: UInt8) -> HTTPFault {
    switch byte {
    case 0x0D, 0x20, 0x09: .bad("A header line needs a colon right behind the field name, without white space.")
    default: strayControl(byte)
    }
  }

  private static func strayControl(_ byte: UInt8) -> HTTPFault {
    byte == 0x0A
      ? .bad("A header line ends in LF alone; lines end in CRLF.")
      : .bad("The head has a control character, which is not allowed there.")
  }
}

extension HTTPFault {
  static let tooManyFields = HTTPFault(.headersTooLarge, "The head has more header fields than allowed.")
  static let folded = HTTPFault.bad("A header line starts with white space; folded lines are obsolete and refused.")
}

/// The verdict of a head's parser on the bytes so far.
enum HeadOutcome: Equatable {
  case needMore
  case complete
  case failed(HTTPFault)
}
