/// Gathers one request body, with a length or in chunks, whole and within its limit. No I/O, no clock.
struct BodyReader {
  private enum Framing {
    case counted(remaining: Int)
    case chunked(ChunkedDecoder)
  }

  private var framing: Framing
  private var body: [UInt8] = []
  private(set) var isComplete: Bool
  private(set) var fault: HTTPFault?
  private(set) var hasBegun = false
  /// Payload is dropped, because the request is refused.
  private var isSkipping = false
  var limit = Int.max

  init(_ head: RequestHead) {
    framing = head.isChunked ? .chunked(ChunkedDecoder()) : .counted(remaining: max(0, head.contentLength))
    isComplete = !head.isChunked && head.contentLength <= 0
  }

  /// The number of gathered bytes.
  var count: Int { body.count }

  /// Takes no more bytes, for a reason of the server's.
  mutating func refuse(_ reason: HTTPFault) {
    if !isComplete, fault == nil { fault = reason }
  }

  /// Drops the payload from now on, so that the end of the body can still be found. The framing is checked as before.
  mutating func skip() {
    isSkipping = true
    body = []
    // The other faults are of the framing: the end of the body is unknown.
    if fault?.code == .bodyTooLarge || fault?.code == .overloaded { fault = nil }
  }

  /// The announced length is over the limit.
  var isTooLong: Bool {
    if case .counted(let remaining) = framing { remaining > limit } else { false }
  }

  /// Takes the bytes that belong to the body; returns their number.
  mutating func feed(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    guard !isComplete, fault == nil, count > 0 else { return 0 }
    hasBegun = true
    switch framing {
    case .counted(let remaining):
      let taken = min(remaining, count)
      if !isSkipping { body.append(contentsOf: UnsafeBufferPointer(start: bytes, count: taken)) }
      framing = .counted(remaining: remaining - taken)
      isComplete = remaining == taken
      return taken
    case .chunked(var decoder):
      var offset = 0
      defer { framing = .chunked(decoder) }
      while true {
        switch decoder.step(bytes, count: count, offset: &offset) {
        case .payload where isSkipping: break
        case .payload(let start, let length):
          guard length <= limit - body.count else {
            fault = .bodyTooLong
            return offset
          }
          body.append(contentsOf: UnsafeBufferPointer(start: bytes + start, count: length))
        case .needMore:
          // The size line tells already: the client need not send a chunk that will be refused.
          if !isSkipping, decoder.announced > limit - body.count { fault = .bodyTooLong }
          return offset
        case .finished:
          isComplete = true
          return offset
        case .failed(let failure):
          fault = failure
          return offset
        }
      }
    }
  }

  /// Removes and returns the body.
  mutating func take() -> [UInt8] {
    defer { body = [] }
    return body
  }
}
