/// Parses the head of a response (RFC 9112 §4) from bytes that arrive in any pieces, and copies the fields that the caller
/// gets.
///
/// It is used like `RequestHeadParser` and as strict: a response that could be read in two ways is refused, since the rest of it
/// would be taken for the response to another caller's request. HEAD is never sent, so framing does not depend on the request.
struct ResponseHeadParser {
  typealias Outcome = HeadOutcome

  private var scan = HeaderScan()
  var seen = Seen()
  private var isResumed = false

  init() {}

  /// Starts over for the next head, which may be the final one behind an interim one.
  mutating func reset() { self = ResponseHeadParser() }

  /// Continues with more bytes.
  ///
  /// - Parameters:
  ///   - bytes: `count` bytes, from the first byte of the head on.
  ///   - credentials: Names of fields that are dropped.
  ///   - fields: The end-to-end fields are appended as `Name: value\r\n` lines when the head is complete and not interim.
  /// - Returns: `.complete` when `head` is filled in. For an interim head (1xx), skip `headLength` bytes, call `reset`, continue,
  ///   and give up after a few.
  mutating func parse(
    _ bytes: UnsafePointer<UInt8>, count: Int, maxHead: Int, without credentials: borrowing FieldNames,
    into head: inout ResponseHead, fields: inout [UInt8]
  ) -> Outcome {
    let limits = HTTPLimits(maxRequestLine: maxHead, maxHeaderSize: maxHead, maxHeaderFields: .max)
    var outcome = HeadOutcome.needMore
    if isResumed {
      outcome = run(bytes, count, limits, &head)
      guard outcome == .complete else { return outcome }
      reset()
    }
    head = ResponseHead()
    outcome = run(bytes, count, limits, &head)
    guard outcome == .complete, !head.isInterim else { return outcome }
    if let fault = copyFields(bytes, head.headLength, limits, without: credentials, to: &fields) {
      return .failed(fault)
    }
    return .complete
  }

  private mutating func run(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ limits: HTTPLimits, _ head: inout ResponseHead
  ) -> Outcome {
    if scan.isInStartLine, let fault = ResponseHeadParser.start(bytes, count) { return .failed(fault) }
    while true {
      switch scan.next(bytes, count: count, limits: limits) {
      case .needMore:
        isResumed = true
        return .needMore
      case .startLine:
        if let fault = statusLine(bytes, from: scan.lineStart, to: scan.lineEnd, &head) { return .failed(fault) }
      case .field:
        let range = scan.value(bytes)
        if let fault = field(bytes, from: scan.lineStart, to: scan.nameEnd, range, &head) { return .failed(fault) }
      case .end:
        if isResumed { return .complete }
        head.headLength = scan.cursor
        if let fault = finish(&head) { return .failed(fault) }
        return .complete
      case .failed(let fault):
        return .failed(fault.code == .uriTooLong ? .headTooLarge : fault)
      }
    }
  }

  /// Refuses a response that is not HTTP/1, at the first byte that differs.
  private static func start(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> HTTPFault? {
    let expected: StaticString = "HTTP/1."
    var at = 0
    while at < count, at < expected.utf8CodeUnitCount {
      if bytes[at] != expected.utf8Start[at] { return .bad("The response is not HTTP/1.1.") }
      at += 1
    }
    return nil
  }

  /// `HTTP/1.x SP 3DIGIT [ SP reason ]` (RFC 9112 §4); the space before an absent reason may be absent too.
  private func statusLine(
    _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ head: inout ResponseHead
  ) -> HTTPFault? {
    let (zero, space) = (UInt8(ascii: "0"), UInt8(ascii: " "))
    guard to - from >= 12, bytes[from + 7] &- zero < 10, bytes[from + 8] == space,
      to - from == 12 || bytes[from + 12] == space,
      bytes[from + 9] &- zero < 10, bytes[from + 10] &- zero < 10, bytes[from + 11] &- zero < 10
    else { return .bad("The response's status line is malformed.") }
    head.minorVersion = bytes[from + 7] == zero ? 0 : 1
    head.status = Int(bytes[from + 9] - zero) * 100 + Int(bytes[from + 10] - zero) * 10 + Int(bytes[from + 11] - zero)
    guard (100...599).contains(head.status) else { return .bad("The response's status is not between 100 and 599.") }
    return head.status == 101 ? .bad("The response switches protocols, which the request did not ask for.") : nil
  }

  private mutating func field(
    _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ value: ByteRange, _ head: inout ResponseHead
  ) -> HTTPFault? {
    let name = bytes + from
    let count = to - from
    switch count {
    case 10:
      if HeaderScan.matches(name, count, "connection") { connection(bytes, value) }
    case 14:
      if HeaderScan.matches(name, count, "content-length") {
        guard seen.insert(.contentLength).inserted else { return .bad("The response has two Content-Length fields.") }
        switch HeaderScan.contentLength(bytes, value) {
        case .success(let length): head.contentLength = length
        case .failure(let fault): return fault
        }
      }
    case 16:
      if HeaderScan.matches(name, count, "content-encoding"), !value.isEmpty,
        !HeaderScan.matches(bytes + Int(value.start), Int(value.count), "identity")
      {
        head.isEncoded = true
      }
    case 17:
      if HeaderScan.matches(name, count, "transfer-encoding") {
        guard seen.insert(.transferEncoding).inserted else {
          return .bad("The response has two Transfer-Encoding fields.")
        }
        guard HeaderScan.matches(bytes + Int(value.start), Int(value.count), "chunked") else {
          return HTTPFault(.unsupportedTransferCoding, "The response has a transfer coding other than chunked.")
        }
        head.isChunked = true
      }
    default: break
    }
    return HeaderScan.isToken(name, count)
      ? nil : .bad("A field name of the response has characters that no field name may have.")
  }

  private mutating func connection(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) {
    var found = Seen()
    _ = HeaderScan.forEachElement(bytes, value) { from, to in
      if HeaderScan.matches(bytes + from, to - from, "close") {
        found.insert(.close)
      } else if HeaderScan.matches(bytes + from, to - from, "keep-alive") {
        found.insert(.keepAlive)
      } else {
        found.insert(.namesFields)
      }
      return true
    }
    seen.formUnion(found)
  }

  private func finish(_ head: inout ResponseHead) -> HTTPFault? {
    if seen.contains(.transferEncoding) {
      if seen.contains(.contentLength) { return .bad("The response has Content-Length and Transfer-Encoding.") }
      if head.minorVersion == 0 { return .bad("The response has Transfer-Encoding in HTTP/1.0.") }
    }
    // 1xx and 204 have neither (RFC 9110 §8.6, RFC 9112 §6.1): a body would be taken for the next response.
    if head.status < 200 || head.status == 204, head.isChunked || head.contentLength > 0 {
      return .bad("The response announces a body that its status does not have.")
    }
    head.keepAlive =
      !seen.contains(.close) && (head.minorVersion > 0 || seen.contains(.keepAlive)) && !head.endsAtClose
    return nil
  }

  struct Seen: OptionSet {
    let rawValue: UInt8
    static let contentLength = Seen(rawValue: 1 << 0)
    static let transferEncoding = Seen(rawValue: 1 << 1)
    static let close = Seen(rawValue: 1 << 2)
    static let keepAlive = Seen(rawValue: 1 << 3)
    /// Connection names fields, which are then hop-by-hop.
    static let namesFields = Seen(rawValue: 1 << 4)
  }
}
