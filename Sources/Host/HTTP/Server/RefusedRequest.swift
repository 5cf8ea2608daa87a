/// A request that the parser refused, or whose head was late: what can be read of it, for the response, the log and the metrics.
struct RefusedRequest {
  /// Names the other protocol where the bytes are one.
  let fault: HTTPFault
  /// The method as it was sent; empty where the bytes do not start with one.
  let method: [UInt8]
  /// The path as it was sent, without the query string; empty where none can be read.
  let path: [UInt8]
  /// The client's numeric address.
  let remote: String

  /// The longest part of a path that is kept.
  static let maxPath = 1024

  /// - Parameter bytes: from the first byte of the refused request on, as far as they have arrived.
  init(_ fault: HTTPFault, _ bytes: UnsafeBufferPointer<UInt8>, remote: String) {
    self.fault = ForeignProtocol(bytes)?.fault(insteadOf: fault) ?? fault
    self.remote = remote
    let line = bytes.drop { $0 == 0x0D || $0 == 0x0A }
    let method = line.prefix(RequestHeadParser.maxMethodLength + 1).prefix { ByteSet.token.contains($0) }
    // Without a byte behind it the method may be incomplete.
    guard method.count <= RequestHeadParser.maxMethodLength, method.endIndex < line.endIndex,
      line[method.endIndex] <= 0x20
    else {
      self.method = []
      path = []
      return
    }
    self.method = Array(method)
    let target = line[method.endIndex...].dropFirst().prefix(RefusedRequest.maxPath).prefix { $0 > 0x20 && $0 != 0x7F }
    // Only a path: other targets may hold credentials.
    path = target.first == UInt8(ascii: "/") ? Array(target.prefix { $0 != UInt8(ascii: "?") }) : []
  }

  /// The response must not have a body.
  var isHead: Bool { method.elementsEqual("HEAD".utf8) }
}

/// Another protocol than HTTP/1, told by its first bytes: clients that are configured wrongly send it, and their operators
/// search the log for its name.
enum ForeignProtocol {
  case tls, http2, socks, proxyHeader

  init?(_ bytes: UnsafeBufferPointer<UInt8>) {
    func starts(with prefix: StaticString) -> Bool {
      bytes.count >= prefix.utf8CodeUnitCount
        && (0..<prefix.utf8CodeUnitCount).allSatisfy { bytes[$0] == prefix.utf8Start[$0] }
    }
    guard bytes.count > 0 else { return nil }
    switch bytes[0] {
    // The content type of a handshake record (RFC 8446 §5.1).
    case 0x16: self = .tls
    // SSL 2.0's hello, in which old clients offer TLS (RFC 5246 §E.2): length, message type 1, version 3.
    case 0x80... where bytes.count >= 4 && bytes[2] == 1 && bytes[3] == 3: self = .tls
    // SOCKS 4: connect or bind. SOCKS 5: a number of methods (RFC 1928 §3).
    case 0x04 where bytes.count >= 2 && (1...2).contains(bytes[1]): self = .socks
    case 0x05 where bytes.count >= 3 && bytes[1] > 0: self = .socks
    default:
      if starts(with: "PRI * HTTP/2.0") {
        self = .http2
      } else if starts(with: "PROXY TCP") || starts(with: "PROXY UNKNOWN") || starts(with: "\r\n\r\n\0\r\nQUIT\n") {
        self = .proxyHeader
      } else {
        return nil
      }
    }
  }

  /// Returns a fault of the same code that names the protocol; nil where the fault has another reason than the first bytes.
  func fault(insteadOf fault: HTTPFault) -> HTTPFault? {
    switch self {
    case .tls where fault.code == .badRequest:
      .bad(
        "This is a TLS handshake on a plain HTTP port: use http://, or let a proxy in front of the gateway speak TLS.")
    case .http2 where fault.code == .httpVersion:
      HTTPFault(.httpVersion, "This is HTTP/2 without TLS, which is not supported: use HTTP/1.1.")
    case .socks where fault.code == .badRequest:
      .bad("This is a SOCKS handshake on an HTTP port: the gateway is not a SOCKS proxy.")
    case .proxyHeader where fault.code == .badRequest:
      .bad("This is a header of the PROXY protocol, which is not supported: switch it off in the proxy.")
    default: nil
    }
  }
}
