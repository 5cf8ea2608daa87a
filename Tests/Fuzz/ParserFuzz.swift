// The entry point of libFuzzer. `scripts/fuzz` compiles this file and the parsers as one module.
//
// The first byte selects the parser and the size of the pieces. Each input is parsed whole and in pieces, from memory of
// exactly its length, and both results must be equal. AddressSanitizer checks the reads.

private let limits = HTTPLimits(maxRequestLine: 512, maxHeaderSize: 1024, maxHeaderFields: 16)

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzParsers(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let data, size > 1 else { return 0 }
  let (input, count) = (data + 1, size - 1)
  let piece = Int(data[0] >> 2) + 1
  switch data[0] & 3 {
  case 0, 1: request(input, count, piece)
  case 2: response(input, count, piece)
  default: chunked(input, count, piece)
  }
  return 0
}

/// Calls `body` with a copy whose memory ends with its last byte.
private func copy<R>(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ body: (UnsafePointer<UInt8>) -> R) -> R {
  let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(count, 1))
  defer { memory.deallocate() }
  memory.update(from: bytes, count: count)
  return body(memory)
}

private func request(_ input: UnsafePointer<UInt8>, _ count: Int, _ piece: Int) {
  var whole = RequestHead()
  var parser = RequestHeadParser()
  let expected = copy(input, count) { parser.parse($0, count: count, limits: limits, into: &whole) }
  var head = RequestHead()
  var outcome = HeadOutcome.needMore
  var fed = 0
  parser.reset()
  while fed < count, outcome == .needMore {
    fed = min(fed + piece, count)
    head = RequestHead()
    outcome = copy(input, fed) { parser.parse($0, count: fed, limits: limits, into: &head) }
  }
  precondition(outcome == expected, "the result in pieces differs")
  guard expected == .complete else { return }
  precondition(head.headLength == whole.headLength && head.headLength <= min(count, limits.maxHeaderSize))
  precondition(head.contentLength == whole.contentLength && head.isChunked == whole.isChunked)
  precondition(!(whole.isChunked && whole.contentLength >= 0), "two framings")
  let ranges = [
    head.target, head.path, head.query, head[.authorization], head[.contentType], head[.accept], head[.property],
    head[.requestID],
  ]
  precondition(ranges.allSatisfy { $0.end <= head.headLength })
  precondition(head.path.count > 0)
}

private func response(_ input: UnsafePointer<UInt8>, _ count: Int, _ piece: Int) {
  var whole = ResponseHead()
  var fields: [UInt8] = []
  var parser = ResponseHeadParser()
  let expected = copy(input, count) {
    parser.parse($0, count: count, maxHead: 1024, without: FieldNames([]), into: &whole, fields: &fields)
  }
  var outcome = HeadOutcome.needMore
  var again: [UInt8] = []
  var fed = 0
  parser.reset()
  while fed < count, outcome == .needMore {
    fed = min(fed + piece, count)
    var head = ResponseHead()
    outcome = copy(input, fed) {
      parser.parse($0, count: fed, maxHead: 1024, without: FieldNames([]), into: &head, fields: &again)
    }
  }
  precondition(outcome == expected && again == fields, "the result in pieces differs")
  precondition(expected != .complete || !(whole.isChunked && whole.contentLength >= 0), "two framings")
}

private func chunked(_ input: UnsafePointer<UInt8>, _ count: Int, _ piece: Int) {
  func decode(_ piece: Int) -> (ChunkedDecoder.Step, Int, [UInt8]) {
    var decoder = ChunkedDecoder()
    var payload: [UInt8] = []
    var start = 0
    while true {
      let length = min(piece, count - start)
      var offset = 0
      let step = copy(input + start, length) { bytes in
        while true {
          let step = decoder.step(bytes, count: length, offset: &offset)
          guard case .payload(let from, let size) = step else { return step }
          payload += UnsafeBufferPointer(start: bytes + from, count: size)
        }
      }
      start += offset
      guard step == .needMore, start < count else { return (step, start, payload) }
    }
  }
  let (whole, pieces) = (decode(count), decode(piece))
  precondition(whole == pieces, "the result in pieces differs")
}
