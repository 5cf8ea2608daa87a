/// Parses a request's head (RFC 9112 §2–§6), from bytes that may arrive in any pieces.
///
/// Give it the same message from its start each time, with more bytes at the end; it goes on where it stopped, so a
/// head that comes byte by byte costs its length, not its square. The verdict does not depend on the pieces. What is
/// not fully understood is refused: a lenient reader in front of or behind a strict one is how requests are smuggled
/// (RFC 9112 §11.2).
///
/// The state is small, since every open connection keeps one: offsets and what was seen. A head that came in pieces is
/// therefore read a second time when it is complete, and `head` need not be the same one in each call.
struct RequestHeadParser {
  typealias Outcome = HeadOutcome

  /// More than any method in the IANA registry has.
  static let maxMethodLength = 32
  /// Empty lines before a request, which some clients send behind a body (RFC 9112 §2.2).
  static let maxEmptyLines = 2

  private var scan = HeaderScan()
  var seen = Seen()
  private var emptyLines: UInt8 = 0
  private var isResumed = false

  init() {}

  /// For the next message.
  mutating func reset() { self = RequestHeadParser() }

  /// Reads on.
  ///
  /// - Parameter bytes: `count` bytes from the message's first one on; what follows the head is not touched.
  /// - Returns: `.complete` when `head` is filled in: the body starts at `head.headLength`.
  ///   After `.failed`, answer and close.
  mutating func parse(
    _ bytes: UnsafePointer<UInt8>, count: Int, limits: HTTPLimits, into head: inout RequestHead
  ) -> Outcome {
    if !isResumed {
      head = RequestHead()
      return run(bytes, count, limits, &head)
    }
    let outcome = run(bytes, count, limits, &head)
    guard outcome == .complete else { return outcome }
    let length = scan.cursor
    reset()
    head = RequestHead()
    return run(bytes, length, limits, &head)
  }

  private mutating func run(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ limits: HTTPLimits, _ head: inout RequestHead
  ) -> Outcome {
    if scan.isInStartLine, let outcome = start(bytes, count, limits) {
      isResumed = isResumed || outcome == .needMore
      return outcome
    }
    while true {
      switch scan.next(bytes, count: count, limits: limits) {
      case .needMore:
        isResumed = true
        return .needMore
      case .startLine:
        if let fault = requestLine(bytes, from: scan.lineStart, to: scan.lineEnd, &head) { return .failed(fault) }
      case .field:
        let range = scan.value(bytes)
        if let fault = field(bytes, from: scan.lineStart, to: scan.nameEnd, range, &head) { return .failed(fault) }
      case .end:
        if isResumed { return .complete }
        head.headLength = scan.cursor
        if let fault = finish(&head) { return .failed(fault) }
        return .complete
      case .failed(let fault):
        return .failed(fault)
      }
    }
  }

  /// Steps over empty lines and looks whether a method stands at the start, so that something that is no HTTP (a TLS
  /// handshake, say) is refused at its first bytes. Nil: go on.
  @inline(__always)
  private mutating func start(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ limits: HTTPLimits) -> Outcome? {
    while scan.cursor == scan.lineStart, scan.cursor < count, bytes[scan.cursor] == 13 {
      guard scan.cursor + 1 < count else { return .needMore }
      guard bytes[scan.cursor + 1] == 10 else { return .failed(.bareCR) }
      emptyLines += 1
      guard emptyLines <= RequestHeadParser.maxEmptyLines else {
        return .failed(.bad("There are empty lines where a request should start."))
      }
      scan.skip(2)
    }
    // At most the method's own bytes are looked at again with each call.
    let from = scan.lineStart
    let longest = min(RequestHeadParser.maxMethodLength, max(limits.maxRequestLine, 0))
    var at = from
    while at < count {
      let byte = bytes[at]
      if byte == 32, at > from { return nil }
      if at - from >= longest {
        return longest < RequestHeadParser.maxMethodLength
          ? nil : .failed(.bad("The request line does not start with a method."))
      }
      guard ByteSet.token.contains(byte) else {
        return .failed(.bad("This is no HTTP/1.1: the request line does not start with a method."))
      }
      at += 1
    }
    return nil
  }
}

extension RequestHeadParser {
  /// Which fields were there. Kept here and not in the head, which may be another one in the next call.
  struct Seen: OptionSet {
    let rawValue: UInt32
    static let host = Seen(rawValue: 1 << 0)
    static let contentLength = Seen(rawValue: 1 << 1)
    static let transferEncoding = Seen(rawValue: 1 << 2)
    static let authorization = Seen(rawValue: 1 << 3)
    static let contentType = Seen(rawValue: 1 << 4)
    static let accept = Seen(rawValue: 1 << 5)
    static let prop = Seen(rawValue: 1 << 6)
    static let requestID = Seen(rawValue: 1 << 7)
    static let traceparent = Seen(rawValue: 1 << 8)
    static let tracestate = Seen(rawValue: 1 << 9)
    static let expectsContinue = Seen(rawValue: 1 << 10)
    static let close = Seen(rawValue: 1 << 11)
    static let keepAlive = Seen(rawValue: 1 << 12)
    static let secondTraceparent = Seen(rawValue: 1 << 13)
    // Named in Connection, hence for the next hop (us) only (RFC 9110 §7.6.1).
    static let dropAccept = Seen(rawValue: 1 << 14)
    static let dropProp = Seen(rawValue: 1 << 15)
    static let dropRequestID = Seen(rawValue: 1 << 16)
    static let dropTraceparent = Seen(rawValue: 1 << 17)
    static let dropTracestate = Seen(rawValue: 1 << 18)
    static let dropAny: Seen = [.dropAccept, .dropProp, .dropRequestID, .dropTraceparent, .dropTracestate]
  }
}
