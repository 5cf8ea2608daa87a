/// Parses a request's head (RFC 9112 §2–§6), from bytes that may arrive in any pieces.
///
/// Give it the same message from its start each time, with more bytes at the end. It continues where it stopped, so a head that
/// comes byte by byte costs its length, not its square. The verdict does not depend on the pieces. A head that is not fully
/// understood is refused: a lenient reader in front of or behind a strict one is how requests are smuggled (RFC 9112 §11.2).
///
/// The state is small, because every open connection has one: offsets, and the set of fields seen. A head that came in pieces is
/// therefore read a second time when it is complete, and `head` need not be the same one in each call.
struct RequestHeadParser {
  typealias Outcome = HeadOutcome

  /// In bytes; more than any method in the IANA registry has.
  static let maxMethodLength = 32
  /// Empty lines before a request, which some clients send behind a body (RFC 9112 §2.2).
  static let maxEmptyLines = 2

  private var scan = HeaderScan()
  /// The known fields so far. Stored here and not in the head, which may be another one in the next call.
  var seen = KnownField.Set()
  /// The known fields whose value does not count: named in `Connection`, or contradicting each other.
  var withheld = KnownField.Set()
  var flags: Flags = []
  private var emptyLines: UInt8 = 0
  private var isResumed = false

  init() {}

  /// Prepares for the next message.
  mutating func reset() { self = RequestHeadParser() }

  /// Continues reading.
  ///
  /// - Parameter bytes: `count` bytes from the message's first one on; what follows the head is not touched.
  /// - Returns: `.complete` when `head` is filled in: the body starts at `head.headLength`.
  ///   After `.failed`, respond and close.
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

  /// Steps over empty lines and checks that a method follows, so that another protocol (a TLS handshake, say) is refused at its first
  /// bytes. Returns nil when the request line can be read.
  @inline(__always)
  private mutating func start(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ limits: HTTPLimits) -> Outcome? {
    while scan.cursor == scan.lineStart, scan.cursor < count, bytes[scan.cursor] == 0x0D {
      guard scan.cursor + 1 < count else { return .needMore }
      guard bytes[scan.cursor + 1] == 0x0A else { return .failed(.bareCR) }
      emptyLines += 1
      guard emptyLines <= RequestHeadParser.maxEmptyLines else {
        return .failed(.bad("There are too many empty lines in front of the request."))
      }
      scan.skip(2)
    }
    // Each call reads at most the bytes of the method again.
    let from = scan.lineStart
    let longest = min(RequestHeadParser.maxMethodLength, max(limits.maxRequestLine, 0))
    var at = from
    while at < count {
      let byte = bytes[at]
      if byte == UInt8(ascii: " "), at > from { return nil }
      if at - from >= longest {
        return longest < RequestHeadParser.maxMethodLength
          ? nil : .failed(.bad("The request line does not start with a method."))
      }
      guard ByteSet.token.contains(byte) else {
        return .failed(.bad("This is not HTTP/1.1: the request line does not start with a method."))
      }
      at += 1
    }
    return nil
  }
}

extension RequestHeadParser {
  /// Options that fields gave.
  struct Flags: OptionSet {
    let rawValue: UInt8
    static let expectsContinue = Flags(rawValue: 1)
    static let close = Flags(rawValue: 2)
    static let keepAlive = Flags(rawValue: 4)
  }
}
