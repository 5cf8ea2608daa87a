// The meaning of the lines of a request's head; `HeaderScan` finds them.
extension RequestHeadParser {
  /// `method SP request-target SP HTTP-version` (RFC 9112 §3), with single spaces.
  @inline(__always)
  func requestLine(_ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ head: inout RequestHead) -> HTTPFault? {
    var at = from
    while at < to, bytes[at] != UInt8(ascii: " ") { at &+= 1 }
    head.methodRange = ByteRange(from, at)
    head.method = RequestHeadParser.method(bytes + from, at - from)
    // The version first: a client of another version should learn that, and not that its target is wrong ("PRI * HTTP/2.0").
    guard to - at > 10, bytes[to - 9] == UInt8(ascii: " ") else {
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
      if byte == UInt8(ascii: "?"), question < 0 { question = at }
      at &+= 1
    }
    head.target = ByteRange(from, to)
    head.hasQuery = question >= 0
    if head.hasQuery { head.query = ByteRange(question + 1, to) }
    let pathEnd = head.hasQuery ? question : to
    if head.method == .other,
      HeaderScan.matches(bytes + Int(head.methodRange.start), Int(head.methodRange.count), "connect")
    {
      return HTTPFault(.notImplementedMethod, "CONNECT is not supported: the gateway is not a tunnel.")
    }
    if bytes[from] == UInt8(ascii: "/") {
      head.path = ByteRange(from, pathEnd)
      return nil
    }
    if to - from == 1, bytes[from] == UInt8(ascii: "*"), head.method == .options {
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
    while colon < to, colon - from < 6, bytes[colon] != UInt8(ascii: ":") { colon += 1 }
    guard to - colon > 3, bytes[colon] == UInt8(ascii: ":"), bytes[colon + 1] == UInt8(ascii: "/"),
      bytes[colon + 2] == UInt8(ascii: "/"),
      HeaderScan.matches(bytes + from, colon - from, "http") || HeaderScan.matches(bytes + from, colon - from, "https")
    else { return fault }
    var slash = colon + 3
    while slash < to, bytes[slash] != UInt8(ascii: "/") { slash += 1 }
    guard slash < to, slash > colon + 3, RequestHeadParser.isHost(bytes, ByteRange(colon + 3, slash)) else {
      return fault
    }
    head.path = ByteRange(slash, to)
    return nil
  }

  @inline(__always)
  private static func version(_ bytes: UnsafePointer<UInt8>, _ minor: inout UInt8) -> HTTPFault? {
    let zero = UInt8(ascii: "0")
    guard bytes[0] == UInt8(ascii: "H"), bytes[1] == UInt8(ascii: "T"), bytes[2] == UInt8(ascii: "T"),
      bytes[3] == UInt8(ascii: "P"), bytes[4] == UInt8(ascii: "/"), bytes[6] == UInt8(ascii: "."),
      bytes[5] &- zero < 10, bytes[7] &- zero < 10
    else { return .bad("The request line does not end in an HTTP version; write HTTP/1.1.") }
    guard bytes[5] == UInt8(ascii: "1") else {
      return HTTPFault(.httpVersion, "The supported versions are HTTP/1.1 and HTTP/1.0.")
    }
    minor = bytes[7] == zero ? 0 : 1
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
    case (3, UInt8(ascii: "G")): return equals("GET") ? .get : .other
    case (3, UInt8(ascii: "P")): return equals("PUT") ? .put : .other
    case (4, UInt8(ascii: "P")): return equals("POST") ? .post : .other
    case (4, UInt8(ascii: "H")): return equals("HEAD") ? .head : .other
    case (5, UInt8(ascii: "P")): return equals("PATCH") ? .patch : .other
    case (6, UInt8(ascii: "D")): return equals("DELETE") ? .delete : .other
    case (7, UInt8(ascii: "O")): return equals("OPTIONS") ? .options : .other
    default: return .other
    }
  }

  /// `uri-host [":" port]` (RFC 9110 §7.2); empty is allowed.
  static func isHost(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) -> Bool {
    var at = Int(value.start)
    let end = value.end
    if at < end, bytes[at] == UInt8(ascii: "[") {
      at += 1
      let inside = at
      while at < end, bytes[at] != UInt8(ascii: "]") {
        guard bytes[at] == UInt8(ascii: ":") || ByteSet.host.contains(bytes[at]) else { return false }
        at += 1
      }
      guard at < end, at > inside else { return false }
      at += 1
    } else {
      while at < end, ByteSet.host.contains(bytes[at]) { at &+= 1 }
    }
    guard at < end else { return true }
    guard bytes[at] == UInt8(ascii: ":") else { return false }
    at += 1
    while at < end {
      guard bytes[at] &- UInt8(ascii: "0") < 10 else { return false }
      at += 1
    }
    return true
  }
}

extension RequestHeadParser {
  /// Takes one field. Of an unknown one only the name is checked.
  @inline(__always)
  mutating func field(
    _ bytes: UnsafePointer<UInt8>, from: Int, to: Int, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    guard let known = KnownField.table.find(bytes + from, to - from) else {
      return HeaderScan.isToken(bytes + from, to - from)
        ? nil : .bad("A field name has a character that is not allowed in field names.")
    }
    if !seen.insert(known) {
      switch known.repetition {
      case .refused(let sentence): return .bad(sentence)
      case .firstCounts: return nil
      case .noneCounts: withheld.insert(known)
      case .allCount: break
      }
    }
    switch known {
    case .host:
      return RequestHeadParser.isHost(bytes, value)
        ? nil : .bad("The Host field must be a name or address, with or without a port.")
    case .contentLength: return contentLength(bytes, value, &head)
    case .transferEncoding: return transferEncoding(bytes, value, &head)
    case .expect:
      guard HeaderScan.matches(bytes + Int(value.start), Int(value.count), "100-continue") else {
        return HTTPFault(.expectationFailed, "The only supported expectation is 100-continue.")
      }
      flags.insert(.expectsContinue)
    case .connection: connection(bytes, value)
    case .contentEncoding:
      // "chunked" is not a content coding: clients that write it here mean Transfer-Encoding, and do not encode the body.
      let isPlain = HeaderScan.forEachElement(bytes, value) { from, to in
        HeaderScan.matches(bytes + from, to - from, "identity")
          || HeaderScan.matches(bytes + from, to - from, "chunked")
      }
      if !isPlain { head.isEncoded = true }
    case .authorization, .contentType, .accept, .property, .requestID, .traceparent, .tracestate, .token, .appID:
      head[known] = value
    }
    return nil
  }

  @inline(__always)
  private func contentLength(
    _ bytes: UnsafePointer<UInt8>, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    switch HeaderScan.contentLength(bytes, value) {
    case .success(let length): head.contentLength = length
    case .failure(let fault): return fault
    }
    return nil
  }

  private func transferEncoding(
    _ bytes: UnsafePointer<UInt8>, _ value: ByteRange, _ head: inout RequestHead
  ) -> HTTPFault? {
    // An empty value is not an unsupported coding, but the first half of a folded line or a mistake.
    guard !value.isEmpty else { return .bad("Transfer-Encoding is empty.") }
    guard HeaderScan.matches(bytes + Int(value.start), Int(value.count), "chunked") else {
      return HTTPFault(.unsupportedTransferCoding, "The only supported transfer coding is chunked.")
    }
    head.isChunked = true
    return nil
  }

  /// `close`, `keep-alive`, and the names of fields that are meant for this hop only (RFC 9110 §7.6.1). Naming a field that is not
  /// passed on, or one that belongs to the message (Authorization, Content-Type), has no effect.
  private mutating func connection(_ bytes: UnsafePointer<UInt8>, _ value: ByteRange) {
    var (options, named) = (flags, withheld)
    _ = HeaderScan.forEachElement(bytes, value) { from, to in
      let (option, count) = (bytes + from, to - from)
      if HeaderScan.matches(option, count, "close") {
        options.insert(.close)
      } else if HeaderScan.matches(option, count, "keep-alive") {
        options.insert(.keepAlive)
      } else if let field = KnownField.table.find(option, count), field.isPassedOn {
        named.insert(field)
      }
      return true
    }
    (flags, withheld) = (options, named)
  }

  /// Checks the rules that concern the whole head.
  @inline(__always)
  func finish(_ head: inout RequestHead) -> HTTPFault? {
    if head.minorVersion > 0, !seen.contains(.host) { return .bad("HTTP/1.1 needs a Host field.") }
    if seen.contains(.transferEncoding) {
      if seen.contains(.contentLength) {
        return .bad("Content-Length and Transfer-Encoding contradict each other; send one.")
      }
      if head.minorVersion == 0 { return .bad("Transfer-Encoding needs HTTP/1.1.") }
    }
    head.keepAlive = !flags.contains(.close) && (head.minorVersion > 0 || flags.contains(.keepAlive))
    // An HTTP/1.0 client cannot wait for an interim response (RFC 9110 §10.1.1).
    head.expectsContinue = flags.contains(.expectsContinue) && head.minorVersion > 0
    if !withheld.isEmpty {
      for field in KnownField.allCases where withheld.contains(field) { head[field] = ByteRange() }
    }
    return nil
  }
}
