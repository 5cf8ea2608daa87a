@testable import Host

/// The result of a request parser: comparable, with the values as text.
struct ParsedRequest: Equatable {
  var outcome: HeadOutcome
  var consumed = 0
  var method = RequestHead.Method.other
  var values: [String: String] = [:]
  var flags: [Bool] = []
  var contentLength = -1
  var minorVersion: UInt8 = 0

  var fault: HTTPFault? { if case .failed(let fault) = outcome { fault } else { nil } }
  var status: Int? { fault?.status }
  var isComplete: Bool { outcome == .complete }

  init(_ outcome: HeadOutcome, _ head: RequestHead, _ message: UnsafePointer<UInt8>) {
    self.outcome = outcome
    guard outcome == .complete else { return }
    consumed = head.headLength
    method = head.method
    contentLength = head.contentLength
    minorVersion = head.minorVersion
    flags = [
      head.keepAlive, head.isChunked, head.expectsContinue, head.hasQuery, head.has(.authorization),
      head.has(.contentType),
    ]
    let ranges: [(String, ByteRange)] = [
      ("method", head.methodRange), ("target", head.target), ("path", head.path), ("query", head.query),
      ("authorization", head[.authorization]), ("contentType", head[.contentType]), ("accept", head[.accept]),
      ("prop", head[.property]), ("requestID", head[.requestID]), ("traceparent", head[.traceparent]),
      ("tracestate", head[.tracestate]),
    ]
    for (name, range) in ranges where !range.isEmpty {
      values[name] = String(decoding: range.bytes(in: message), as: UTF8.self)
    }
  }
}

/// The way a message is cut: each call gets the bytes from the message's start up to one of these counts.
enum Pieces: CaseIterable {
  case whole, byByte, byThree, halves

  func counts(_ total: Int) -> [Int] {
    switch self {
    case .whole: [total]
    case .byByte: Array(1...max(total, 1))
    case .byThree: Array(stride(from: 3, to: total, by: 3)) + [total]
    case .halves: [total / 2, total]
    }
  }
}

/// Calls the closure with a copy of the bytes in memory of exactly their length, so that a sanitizer notices each read beyond them.
func withExactBytes<R>(_ bytes: ArraySlice<UInt8>, _ body: (UnsafePointer<UInt8>) throws -> R) rethrows -> R {
  let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
  defer { memory.deallocate() }
  for (index, byte) in bytes.enumerated() { memory[index] = byte }
  return try body(UnsafePointer(memory))
}

func parseRequest(
  _ bytes: [UInt8], _ pieces: Pieces = .whole, limits: HTTPLimits = HTTPLimits()
) -> ParsedRequest {
  var parser = RequestHeadParser()
  var last: ParsedRequest?
  for count in pieces.counts(bytes.count) {
    // Other memory and another head each time, so that only the parser carries state.
    last = withExactBytes(bytes[0..<count]) { message in
      var head = RequestHead()
      let outcome = parser.parse(message, count: count, limits: limits, into: &head)
      return ParsedRequest(outcome, head, message)
    }
    if last!.outcome != .needMore { break }
  }
  return last!
}

func parseRequest(_ text: String, _ pieces: Pieces = .whole, limits: HTTPLimits = HTTPLimits()) -> ParsedRequest {
  parseRequest(Array(text.utf8), pieces, limits: limits)
}

/// The result of a response parser.
struct ParsedResponse: Equatable {
  var outcome: HeadOutcome
  var isRefused: Bool { if case .failed = outcome { true } else { false } }
  var status = 0
  var consumed = 0
  var contentLength = -1
  var flags: [Bool] = []
  var fields = ""
}

/// The credential fields that the tests' vendor has.
private let vendorFields = FieldNames(["Token", "appid"])

func parseResponse(_ bytes: [UInt8], _ pieces: Pieces = .whole, maxHead: Int = 32 << 10) -> ParsedResponse {
  var parser = ResponseHeadParser()
  var fields: [UInt8] = []
  var result = ParsedResponse(outcome: .needMore)
  for count in pieces.counts(bytes.count) {
    withExactBytes(bytes[0..<count]) { message in
      var head = ResponseHead()
      let outcome = parser.parse(
        message, count: count, maxHead: maxHead, without: vendorFields, into: &head, fields: &fields)
      result = ParsedResponse(outcome: outcome)
      if outcome == .complete {
        result.status = head.status
        result.consumed = head.headLength
        result.contentLength = head.contentLength
        result.flags = [head.keepAlive, head.isChunked, head.isEncoded, head.endsAtClose]
        result.fields = String(decoding: fields, as: UTF8.self)
      }
    }
    if result.outcome != .needMore { break }
  }
  return result
}

func parseResponse(_ text: String, _ pieces: Pieces = .whole, maxHead: Int = 32 << 10) -> ParsedResponse {
  parseResponse(Array(text.utf8), pieces, maxHead: maxHead)
}

/// The result of a chunked decoder.
struct DecodedBody: Equatable {
  var end: ChunkedDecoder.Step
  var payload: [UInt8] = []
  var consumed = 0

  var status: Int? {
    if case .failed(let fault) = end { fault.status } else { nil }
  }
}

func decodeChunked(_ bytes: [UInt8], piece: Int = .max) -> DecodedBody {
  var decoder = ChunkedDecoder()
  var result = DecodedBody(end: .needMore)
  var start = 0
  while start < bytes.count {
    let end = start + min(piece, bytes.count - start)
    withExactBytes(bytes[start..<end]) { memory in
      var offset = 0
      while true {
        result.end = decoder.step(memory, count: end - start, offset: &offset)
        guard case .payload(let from, let count) = result.end else { break }
        result.payload += UnsafeBufferPointer(start: memory + from, count: count)
      }
      result.consumed = start + offset
    }
    if result.end != .needMore { break }
    start = end
  }
  return result
}

func decodeChunked(_ text: String, piece: Int = .max) -> DecodedBody { decodeChunked(Array(text.utf8), piece: piece) }
