import AdapterAPI

/// Reads a response from an upstream's bytes: skips interim heads, parses the head, removes the framing of the body and checks its
/// length. No I/O, no clock. Payload gathers in `body` until it is taken.
struct ResponseReader {
  enum Step: Equatable {
    case needMore
    case complete
    /// The response can't be trusted, and its connection can't be used again.
    case failed(String)
  }

  private enum Framing {
    case head
    case none
    case length(remaining: Int)
    case chunked(ChunkedDecoder)
    case untilClose
  }

  /// The most interim responses (RFC 9110 §15.2) before the final one.
  private static let maxInterim = 8

  private let maxHead: Int
  /// 0: no limit.
  private let maxBody: Int
  private let credentialFields: FieldNames
  private(set) var head = ResponseHead()
  /// Payload that has not been taken.
  private(set) var body: [UInt8] = []
  private var fields: [UInt8] = []
  private var parser = ResponseHeadParser()
  private var framing = Framing.head
  /// The bytes of a head that is not complete.
  private var input: [UInt8] = []
  private var interimCount = 0
  /// Bytes of the body, with those that were passed on unseen.
  private var received = 0
  private(set) var hasBegun = false
  /// Bytes came behind the end of the response.
  private(set) var hasSurplus = false

  /// - Parameters:
  ///   - maxHead: In bytes, with the status line.
  ///   - maxBody: In bytes; 0 for no limit. A longer body fails, at once where its length was announced.
  ///   - credentialFields: Fields that are dropped from the response.
  init(maxHead: Int, maxBody: Int, credentialFields: FieldNames = FieldNames([])) {
    self.maxHead = maxHead
    self.maxBody = maxBody
    self.credentialFields = credentialFields
  }

  /// Starts over for the next response.
  mutating func reset() {
    head = ResponseHead()
    body = []
    fields = []
    parser.reset()
    framing = .head
    input = []
    interimCount = 0
    received = 0
    hasBegun = false
    hasSurplus = false
  }

  var isHeadComplete: Bool { if case .head = framing { false } else { true } }

  var isComplete: Bool {
    switch framing {
    case .none: true
    case .length(let remaining): remaining == 0
    case .head, .chunked, .untilClose: false
    }
  }

  /// The number of bytes of the body that are still to come; nil when only its end will tell.
  var remaining: Int? { if case .length(let remaining) = framing { remaining } else { nil } }

  /// Returns how many of the next bytes can be read straight into a body of `size`; 0 where they have framing. Of a longer body,
  /// not more than the size, since the rest may be relayed; of a shorter one, one byte more than it has, so that bytes behind it
  /// are noticed.
  func room(upTo size: Int) -> Int {
    guard case .length(let remaining) = framing, remaining > 0, body.count < size else { return 0 }
    return min(remaining + 1, size - body.count)
  }

  /// Reads up to `room` bytes into the body. `source` returns how many bytes it has put there, nil for none.
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

  /// The number of next bytes that are payload and nothing else, so that they can be relayed unseen; 0 where they have framing.
  var unseenPayload: Int {
    guard body.isEmpty else { return 0 }
    switch framing {
    case .length(let remaining): return remaining
    // One more than allowed, so that too long a body is noticed.
    case .untilClose: return maxBody == 0 ? .max : maxBody - received + 1
    case .head, .none, .chunked: return 0
    }
  }

  /// Counts bytes of `unseenPayload` that were relayed, or read into the body.
  mutating func passed(_ count: Int) -> Step {
    received += count
    if case .length(let remaining) = framing { framing = .length(remaining: remaining - count) }
    guard maxBody == 0 || received <= maxBody else { return tooLong }
    return isComplete ? .complete : .needMore
  }

  /// Another request may follow on this connection.
  var allowsReuse: Bool { isComplete && head.keepAlive && !hasSurplus }

  /// Takes received bytes.
  mutating func feed(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
    guard count > 0 else { return isComplete ? .complete : .needMore }
    hasBegun = true
    if isHeadComplete { return feedBody(bytes, count) }
    if input.isEmpty { return feedHead(bytes, count) }
    input.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    let whole = input
    return whole.withUnsafeBufferPointer { feedHead($0.baseAddress!, $0.count) }
  }

  /// Takes the end of the upstream's side.
  mutating func end() -> Step {
    if case .untilClose = framing { framing = .length(remaining: 0) }
    return isComplete
      ? .complete : .failed(hasBegun ? "the response was cut off" : "the connection ended before the response")
  }

  mutating func takeBody() -> [UInt8] {
    defer { body = [] }
    return body
  }

  /// Returns the response with a body that the caller has made from the payload.
  func response(with body: Body) -> HTTPResponse {
    HTTPResponse(status: head.status, fields: Fields(checkedBlock: fields), body: body, isEncoded: head.isEncoded)
  }

  private mutating func feedHead(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
    var offset = 0
    while true {
      let (rest, restCount) = (bytes + offset, count - offset)
      switch parser.parse(
        rest, count: restCount, maxHead: maxHead, without: credentialFields, into: &head, fields: &fields)
      {
      case .needMore:
        if input.count != restCount { input = Array(UnsafeBufferPointer(start: rest, count: restCount)) }
        return .needMore
      case .failed(let fault): return .failed("\(fault.reason)")
      case .complete where head.isInterim:
        interimCount += 1
        guard interimCount <= ResponseReader.maxInterim else {
          return .failed("more than \(ResponseReader.maxInterim) interim responses")
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

  /// Selects the framing of the body (RFC 9112 §6.3).
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
        max(min(count, head.contentLength), min(head.contentLength + 1, UpstreamConnectionState.prefixSize)))
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

  private var tooLong: Step { .failed("the response body is longer than max_response_body (\(maxBody) bytes)") }
}
