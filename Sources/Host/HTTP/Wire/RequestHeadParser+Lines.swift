// What the lines of a request's head mean. Finding them is `HeaderScan`'s.
extension RequestHeadParser {
  /// `method SP request-target SP HTTP-version` (RFC 9112 §3), with single spaces.
  @inline(__always)
  func requestLine(_ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ head: inout RequestHead) -> HTTPFault? {
    var at = from
    while at < to, bytes[at] != 32 { at &+= 1 }
    head.methodRange = ByteRange(from, at)
    head.method = RequestHeadParser.method(bytes + from, at - from)
    // The version first: who speaks another one should hear that, not that his target is odd ("PRI * HTTP/2.0").
    guard to - at > 10, bytes[to - 9] == 32 else {
      return .bad("The request line must be a method, a target and a version, with one space between them.")
    }
    if let fault = RequestHeadParser.version(bytes + (to - 8), &head.minorVersion) { return fault }
    return target(bytes, from: at + 1, to: to - 9, &head)
  }

  @inline(__always)
  private func target(_ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ head: inout RequestHead) -> HTTPFault? {
    var question = -1
    var at = from
    while at < to {
      let byte = bytes[at]
      guard ByteSet.target.contains(byte) else {
        return .bad("The request target has a character that must be percent-encoded.")
      }
      if byte == 63, question < 0 { question = at }
      at &+= 1
    }
    head.target = ByteRange(from, to)
    head.hasQuery = question >= 0
    if head.hasQuery { head.query = ByteRange(question + 1, to) }
    let pathEnd = head.hasQuery ? question : to
    if head.method == .other,
      HeaderScan.matches(bytes + Int(head.methodRange.start), Int(head.methodRange.count), "connect")
    {
      return HTTPFault(.notImplementedMethod, "CONNECT is not offered here; this is no tunnel.")
    }
    if bytes[from] == 47 {
      head.path = ByteRange(from, pathEnd)
      return nil
    }
    if to - from == 1, bytes[from] == 42, head.method == .options {
      head.path = ByteRange(from, to)
      return nil
    }
    return absoluteTarget(bytes, from: from, to: pathEnd, &head)
  }

  /// `http://authority/path`, which a server must take too (RFC 9112 §3.2.2).
  private func absoluteTarget(
    _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ head: inout RequestHead
  ) -> HTTPFault? {
    let fault = HTTPFault.bad("The request target must be a path that starts with '/'.")
    var colon = from
    while colon < to, colon - from < 6, bytes[colon] != 58 { colon += 1 }
    guard to - colon > 3, bytes[colon] == 58, bytes[colon + 1] == 47, bytes[colon + 2] == 47,
      HeaderScan.matches(bytes + from, colon - from, "http") || HeaderScan.matches(bytes + from, colon - from, "https")
    else { return fault }
    var slash = colon + 3
    while slash < to, bytes[slash] != 47 { slash += 1 }
    guard slash < to, slash > colon + 3, RequestHeadParser.isHost(bytes, ByteRange(colon + 3, slash)) else {
      return fault
    }
    head.path = ByteRange(slash, to)
    return nil
  }

  @inline(__always)
  private static func version(_ bytes: UnsafePointer<UInt8>, _ minor: inout UInt8) -> HTTPFault? {
    guard bytes[0] == 72, bytes[1] == 84, bytes[2] == 84, bytes[3] == 80, bytes[4] == 47, bytes[6] == 46,
      bytes[5] &- 48 < 10, bytes[7] &- 48 < 10
    else { return .bad("The request line does not end in an HTTP version; write HTTP/1.1.") }
    guard bytes[5] == 49 else { return HTTPFault(.httpVersion, "This server speaks HTTP/1.1 and HTTP/1.0.") }
    minor = bytes[7] == 48 ? 0 : 1
    return nil
  }

  /// Methods are case-sensitive (RFC 9110 §9.1).
  @inline(__always)
  private static func method(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> RequestHead.Method {
    @inline(__always) func equals(_ name: StaticString) -> Bool {
      var at = 1
      while at < count {
        if bytes[at] != name.utf8Start[at] { return false }
        at &+= 1
      }
      return true
    }
    switch (count, bytes[0]) {
    case (3, 71): return equals("GET") ? .get : .other
    case (3, 80): return equals("PUT") ? .put : .other
    case (4, 80): return equals("POST") ? .post : .other
    case (4, 72): return equals("HEAD") ? .head : .other
    case (5, 80): return equals("PATCH") ? .patch : .other
    case (6, 68): return equals("DELETE") ? .delete : .other
    case (7, 79): return equals("OPTIONS") ? .options : .other
    default: return .other
    }
  }

  /// `uri-host [":" port]` (RFC 9110 §7.2); empty is allowed.
  static func isHost(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) -> Bool {
    var at = Int(value.start)
    let end = value.end
    if at < end, bytes[at] == 91 {
      at += 1
      let inside = at
      while at < end, bytes[at] != 93 {
        guard bytes[at] == 58 || ByteSet.host.contains(bytes[at]) else { return false }
        at += 1
      }
      guard at < end, at > inside else { return false }
      at += 1
    } else {
      while at < end, ByteSet.host.contains(bytes[at]) { at &+= 1 }
    }
    guard at < end else { return true }
    guard bytes[at] == 58 else { return false }
    at += 1
    while at < end {
      guard bytes[at] &- 48 < 10 else { return false }
      at += 1
    }
    return true
  }
}

extension RequestHeadParser {
  /// One field. Names are sorted out by their length first; what is not known here is only checked.
  @inline(__always)
  mutating func field(
    _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    let name = bytes + from
    let count = to - from
    switch count {
    case 4:
      if HeaderScan.matches(name, count, "host") { return host(bytes, value) }
      if HeaderScan.matches(name, count, "prop") {
        head.prop = value
        return once(.prop, .bad("There are two prop fields; send one."))
      }
    case 6:
      if HeaderScan.matches(name, count, "accept") {
        // A list over several fields is allowed, and the first is a valid, if shorter, wish.
        if seen.insert(.accept).inserted { head.accept = value }
        return nil
      }
      if HeaderScan.matches(name, count, "expect") {
        guard HeaderScan.matches(bytes + Int(value.start), Int(value.count), "100-continue") else {
          return HTTPFault(.expectationFailed, "The only expectation understood here is 100-continue.")
        }
        seen.insert(.expectsContinue)
        return nil
      }
    case 10:
      if HeaderScan.matches(name, count, "connection") {
        connection(bytes, value)
        return nil
      }
      if HeaderScan.matches(name, count, "tracestate") {
        if seen.insert(.tracestate).inserted { head.tracestate = value }
        return nil
      }
    case 11:
      if HeaderScan.matches(name, count, "traceparent") {
        head.traceparent = value
        if !seen.insert(.traceparent).inserted { seen.insert(.secondTraceparent) }
        return nil
      }
    case 12:
      if HeaderScan.matches(name, count, "content-type") {
        head.contentType = value
        head.hasContentType = true
        return once(.contentType, .bad("There are two Content-Type fields; send one."))
      }
      if HeaderScan.matches(name, count, "x-request-id") {
        if seen.insert(.requestID).inserted { head.requestID = value }
        return nil
      }
    case 13:
      if HeaderScan.matches(name, count, "authorization") {
        head.authorization = value
        head.hasAuthorization = true
        return once(.authorization, .bad("There are two Authorization fields; send one."))
      }
    case 14:
      if HeaderScan.matches(name, count, "content-length") { return contentLength(bytes, value, &head) }
    case 17:
      if HeaderScan.matches(name, count, "transfer-encoding") { return transferEncoding(bytes, value, &head) }
    default: break
    }
    return HeaderScan.isToken(name, count) ? nil : .bad("A field name has a character that no field name may have.")
  }

  @inline(__always)
  private mutating func once(_ field: Seen, _ fault: @autoclosure () -> HTTPFault) -> HTTPFault? {
    seen.insert(field).inserted ? nil : fault()
  }

  @inline(__always)
  private mutating func host(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) -> HTTPFault? {
    guard seen.insert(.host).inserted else { return .bad("There are two Host fields; send one.") }
    return RequestHeadParser.isHost(bytes, value) ? nil : .bad("The Host field must be a name or address, and a port.")
  }

  /// Two fields, or a list, are refused even where they agree: whoever joined them did not look at them (RFC 9112
  /// §6.3).
  @inline(__always)
  private mutating func contentLength(
    _ bytes: UnsafePointer<UInt8>, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    guard seen.insert(.contentLength).inserted else { return .bad("There are two Content-Length fields; send one.") }
    switch HeaderScan.contentLength(bytes, value) {
    case .success(let length): head.contentLength = length
    case .failure(let fault): return fault
    }
    return nil
  }

  private mutating func transferEncoding(
    _ bytes: UnsafePointer<UInt8>, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    guard seen.insert(.transferEncoding).inserted else {
      return .bad("There are two Transfer-Encoding fields; send one.")
    }
    // Empty is no coding that we lack, but a folded line's first half or a mistake.
    guard !value.isEmpty else { return .bad("Transfer-Encoding is empty.") }
    guard HeaderScan.matches(bytes + Int(value.start), Int(value.count), "chunked") else {
      return HTTPFault(.unsupportedTransferCoding, "The only transfer coding understood here is chunked.")
    }
    head.isChunked = true
    return nil
  }

  /// `close`, `keep-alive`, and fields that are meant for this hop only. What names a field that we do not pass on,
  /// or one that is the message's own (Authorization, Content-Type), changes nothing.
  private mutating func connection(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) {
    var found = Seen()
    _ = HeaderScan.forEachElement(bytes, value) { from, to in
      let token = bytes + from
      let count = to - from
      switch count {
      case 4: if HeaderScan.matches(token, count, "prop") { found.insert(.dropProp) }
      case 5: if HeaderScan.matches(token, count, "close") { found.insert(.close) }
      case 6: if HeaderScan.matches(token, count, "accept") { found.insert(.dropAccept) }
      case 10:
        if HeaderScan.matches(token, count, "keep-alive") { found.insert(.keepAlive) }
        if HeaderScan.matches(token, count, "tracestate") { found.insert(.dropTracestate) }
      case 11: if HeaderScan.matches(token, count, "traceparent") { found.insert(.dropTraceparent) }
      case 12: if HeaderScan.matches(token, count, "x-request-id") { found.insert(.dropRequestID) }
      default: break
      }
      return true
    }
    seen.formUnion(found)
  }

  /// What only the whole head can tell.
  @inline(__always)
  func finish(_ head: inout RequestHead) -> HTTPFault? {
    if head.minorVersion > 0, !seen.contains(.host) { return .bad("HTTP/1.1 needs a Host field.") }
    if seen.contains(.transferEncoding) {
      if seen.contains(.contentLength) {
        return .bad("Content-Length and Transfer-Encoding contradict each other; send one.")
      }
      if head.minorVersion == 0 { return .bad("Transfer-Encoding needs HTTP/1.1.") }
    }
    head.keepAlive = !seen.contains(.close) && (head.minorVersion > 0 || seen.contains(.keepAlive))
    // An HTTP/1.0 client cannot wait for an interim answer (RFC 9110 §10.1.1).
    head.expectsContinue = seen.contains(.expectsContinue) && head.minorVersion > 0
    if seen.contains(.secondTraceparent) { head.traceparent = ByteRange() }
    if !seen.isDisjoint(with: .dropAny) { dropHopByHop(&head) }
    return nil
  }

  private func dropHopByHop(_ head: inout RequestHead) {
    if seen.contains(.dropAccept) { head.accept = ByteRange() }
    if seen.contains(.dropProp) { head.prop = ByteRange() }
    if seen.contains(.dropRequestID) { head.requestID = ByteRange() }
    if seen.contains(.dropTraceparent) { head.traceparent = ByteRange() }
    if seen.contains(.dropTracestate) { head.tracestate = ByteRange() }
  }
}
