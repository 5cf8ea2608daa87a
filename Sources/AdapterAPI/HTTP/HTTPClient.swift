/// The host's HTTP/1.1 client, bound to one upstream: pooled connections, deadlines, limits, strict framing.
///
/// May be called concurrently and from any task; a call made on one of the host's event loops stays on it.
public protocol HTTPClient: Sendable {
  /// Sends one request and returns when the head of the answer and either the whole body or its first 64 KiB are here.
  ///
  /// A connection from the pool that turns out dead is replaced silently while nothing was answered and the request may be
  /// repeated. Redirects are not followed.
  func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse
}

public struct HTTPRequest: Sendable {
  public enum Method: String, Sendable {
    case get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE"
  }

  public var method: Method
  /// Path and query below the base URL's own path, starting with `/`, percent-encoded.
  public var target: String
  /// `Host` and `Content-Length` are the client's own.
  public var fields: Fields
  public var body: [UInt8]
  /// The request changes something: it is never sent twice once a byte of it left, and not given up when the caller leaves.
  public var isWrite: Bool
  /// Who goes first where calls have to wait.
  public var priority: Priority

  /// A call that an operation makes; what kind it is follows from that.
  public init(
    _ method: Method, _ target: String, fields: Fields = Fields(), body: [UInt8] = [], for operation: Operation
  ) {
    self.init(method, target, fields: fields, body: body, isWrite: operation.isWrite, priority: operation.priority)
  }

  /// - Parameter priority: Where nothing is said, a write goes before what reads values.
  public init(
    _ method: Method, _ target: String, fields: Fields = Fields(), body: [UInt8] = [], isWrite: Bool = false,
    priority: Priority? = nil
  ) {
    self.method = method
    self.target = target
    self.fields = fields
    self.body = body
    self.isWrite = isWrite
    self.priority = priority ?? (isWrite ? .writes : .values)
  }
}

public struct HTTPResponse: Sendable {
  public var status: Int
  /// Hop-by-hop fields and framing are taken out already.
  public var fields: Fields
  public var body: Body
  /// The body has a `Content-Encoding` other than identity: it is passed on and not looked into.
  public var isEncoded: Bool

  public init(status: Int, fields: Fields, body: Body, isEncoded: Bool = false) {
    self.status = status
    self.fields = fields
    self.body = body
    self.isEncoded = isEncoded
  }
}

/// An upstream's address, as `base_url` gives it: `http://host[:port][/path]`. The path is kept before every target.
public struct BaseURL: Sendable, Hashable, CustomStringConvertible {
  public let isTLS: Bool
  /// Lower case; an IPv6 address without its brackets.
  public let host: String
  public let port: UInt16
  /// Empty, or starting with `/` and without a slash at the end.
  public let path: String

  /// What the `Host` field says (RFC 9110 §7.2): the port only where it is not the scheme's own.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
  }

  public var description: String { "\(isTLS ? "https" : "http")://\(authority)\(path)" }

  public init(isTLS: Bool, host: String, port: UInt16, path: String) {
    self.isTLS = isTLS
    self.host = host
    self.port = port
    self.path = path
  }
}
