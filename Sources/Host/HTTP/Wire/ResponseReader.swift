import AdapterAPI

/// Makes an answer out of an upstream's bytes: interim heads are skipped, the head is parsed, the body unframed and counted.
///
/// No I/O, no clock. Payload gathers in `body`; whoever reads takes it out when it has enough. One reader for each exchange.
struct ResponseReader {
  enum Step: Equatable {
    /// The answer goes on.
    case needMore
    case complete
    /// No answer that can be trusted; the connection is of no more use.
    case failed(String)
  }

  private enum Framing {
    case head
    case none
    case length(remaining: Int)
    case chunked(ChunkedDecoder)
    case untilClose
  }

  /// Interim answers (RFC 9110 §15.2) before one final answer.
  private static let maxInterimAnswers = 8

  private let maxHead: Int
  /// 0: no limit.
  private let maxBody: Int
  private(set) var head = ResponseHead()
  /// Payload that was not taken yet.
  private(set) var body: [UInt8] = []
  private var fields: [UInt8] = []
  private var parser = ResponseHeadParser()
  private var framing = Framing.head
  /// A head that is not complete.
  private var input: [UInt8] = []
  private var interimAnswers = 0
  private var received = 0
  private(set) var hasBegun = false
  /// Bytes came behind the answer's end.
  private(set) var hasSurplus = false

  /// - Parameters:
  ///   - maxHead: in bytes, with the status line.
  ///   - maxBody: in bytes; 0 for no limit. A longer body fails, at once where its length was announced.
  init(maxHead: Int, maxBody: Int) {
    self.maxHead = maxHead
    self.maxBody = maxBody
  }

  var isHeadComplete: Bool { if case .head = framing { false } else { true } }

  var isComplete: Bool {
    switch framing {
    case .none: true
    case .length(let remaining): remaining == 0
    case .head, .chunked, .untilClose: false
    }
  }

  /// How much of the body is still to come; nil when only its end will tell.
  var remaining: Int? { if case .length(let remaining) = framing { remaining } else { nil } }

  /// How many of the bytes that come next can be read straight into a body of that size; 0 where each has to be looked at. Not more
  /// than the size where more will follow, for the rest may go on unseen; else one more than the body has, so that what comes
  /// behind it is noticed.
  func room(upTo size: Int) -> Int {
    guard case .length(let remaining) = framing, remaining > 0, body.count < size else { return 0 }
    return min(remaining + 1, size - body.count)
  }

  /// Reads so much into the body. `source` says how many bytes it put there, nil for none.
  mutating func readBody(_ room: Int, from source: (UnsafeMutableRawBufferPointer) -> Int?) -> Step {
    guard case .length(let remaining) = framing else { return .needMore }
    var came = 0
    body.append(addingCapacity: room) { (space: inout OutputSpan<UInt8>) in
      space.withUnsafeMutableBufferPointer { buffer, count in
        came = source(UnsafeMutableRawBufferPointer(start: buffer.baseAddress! + count, count: room)) ?? 0
        count += min(came, remaining)
      }
    }
    if came > remaining { hasSurplus = true }
    return passed(min(came, remaining))
  }

  /// How many of the bytes that come next are payload and nothing else, so that they may go on unseen; 0 where each has to be
  /// looked at.
  var unseenPayload: Int {
    guard body.isEmpty else { return 0 }
    switch framing {
    case .length(let remaining): return remaining
    // One more than allowed, so that too long a body is noticed.
    case .untilClose: return maxBody == 0 ? .max : maxBody - received + 1
    case .head, .none, .chunked: return 0
    }
  }

  /// So many bytes of `unseenPayload` have gone on.
  mutating func passed(_ count: Int) -> Step {
    received += count
    if case .length(let remaining) = framing { framing = .length(remaining: remaining - count) }
    guard maxBody == 0 || received <= maxBody else { return tooLong }
    return isComplete ? .complete : .needMore
  }

  /// Another request may follow on the connection.
  var allowsReuse: Bool { isComplete && head.keepAlive && !hasSurplus }

  /// Takes the bytes that came.
  mutating func feed(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
    guard count > 0 else { return isComplete ? .complete : .needMore }
    hasBegun = true
    if isHeadComplete { return feedBody(bytes, count) }
    if input.isEmpty { return feedHead(bytes, count) }
    input.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    let whole = input
    return whole.withUnsafeBufferPointer { feedHead($0.baseAddress!, $0.count) }
  }

  /// The upstream has ended its side.
  mutating func end() -> Step {
    if case .untilClose = framing { framing = .length(remaining: 0) }
    return isComplete
      ? .complete : .failed(hasBegun ? "the answer was cut off" : "the connection ended before the answer")
  }

  mutating func takeBody() -> [UInt8] {
    defer { body = [] }
    return body
  }

  /// The answer, with a body that the caller has made out of what was taken.
  func response(with body: Body) -> HTTPResponse {
    HTTPResponse(status: head.status, fields: Fields(checkedBlock: fields), body: body, isEncoded: head.isEncoded)
  }

  private mutating func feedHead(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
    var offset = 0
    while true {
      let (rest, restCount) = (bytes + offset, count - offset)
      switch parser.parse(rest, count: restCount, maxHead: maxHead, into: &head, fields: &fields) {
      case .needMore:
        if input.count != restCount { input = Array(UnsafeBufferPointer(start: rest, count: restCount)) }
        return .needMore
      case .failed(let fault): return .failed("\(fault.reason)")
      case .complete where head.isInterim:
        interimAnswers += 1
        guard interimAnswers <= ResponseReader.maxInterimAnswers else {
          return .failed("more than \(ResponseReader.maxInterimAnswers) interim answers")
        }
        offset += head.headLength
        parser.reset()
        input = []
        if offset == count { return .needMore }
      case .complete:
        input = []
        return startBody(rest + head.headLength, restCount - head.headLength)
      }
    }
  }

  /// Which framing the body has (RFC 9112 §6.3).
  private mutating func startBody(_ rest: UnsafePointer<UInt8>, _ count: Int) -> Step {
    if head.isBodyless {
      framing = .none
    } else if head.isChunked {
      framing = .chunked(ChunkedDecoder())
    } else if head.contentLength >= 0 {
      guard maxBody == 0 || head.contentLength <= maxBody else { return tooLong }
      framing = .length(remaining: head.contentLength)
      // With one byte more than the body has (`room`).
      body.reserveCapacity(
        max(min(count, head.contentLength), min(head.contentLength + 1, UpstreamConnection.holdBack)))
    } else {
      framing = .untilClose
    }
    return feedBody(rest, count)
  }

  private mutating func feedBody(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
    var used = 0
    switch framing {
    case .head, .none: break
    case .length(let remaining):
      used = min(remaining, count)
      framing = .length(remaining: remaining - used)
      guard take(bytes, used) else { return tooLong }
    case .untilClose:
      used = count
      guard take(bytes, count) else { return tooLong }
    case .chunked(var decoder):
      decoding: while true {
        switch decoder.step(bytes, count: count, offset: &used) {
        case .payload(let start, let length):
          guard take(bytes + start, length) else { return tooLong }
        case .needMore:
          framing = .chunked(decoder)
          break decoding
        case .finished:
          framing = .length(remaining: 0)
          break decoding
        case .failed(let fault): return .failed("\(fault.reason)")
        }
      }
    }
    guard isComplete else { return .needMore }
    if used < count { hasSurplus = true }
    return .complete
  }

  private mutating func take(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    body.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    received += count
    return maxBody == 0 || received <= maxBody
  }

  private var tooLong: Step { .failed("the answer is longer than max_response_body (\(maxBody) bytes)") }
}
