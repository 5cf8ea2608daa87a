/// The host's HTTP/1.1 client, bound to one upstream: pooled connections, deadlines, limits, strict framing.
///
/// May be called concurrently and from any task. A call made on one of the host's event loops stays on it.
public protocol HTTPClient: Sendable {
  /// Sends one request and returns when the response's head and either its whole body or the first 64 KiB of it have arrived.
  ///
  /// Replaces a dead connection of the pool as long as no byte of the response has arrived and the request may be repeated. Does
  /// not follow redirects. When its task is cancelled, a read ends at once; a write whose first byte has left continues.
  ///
  /// - Throws: `.unreachable`, `.timeout` or `.malformed`, with `mayHaveActed` when a byte of the request may have reached the
  ///   upstream; `.overloaded` when no permit became free in time; `.budgetSpent`; `.cancelled` when the task was cancelled.
  func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse
}

/// A request to the upstream.
public struct HTTPRequest: Sendable {
  public enum Method: String, Sendable {
    case get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE"
  }

  public var method: Method
  /// Path and query below the base URL's own path, starting with `/`, percent-encoded.
  public var target: String
  /// Without `Host` and `Content-Length`, which the client adds.
  public var fields: Fields
  public var body: [UInt8]
  /// Whether the request changes something: it is never sent twice once a byte of it has left, and not cancelled when the caller
  /// leaves.
  public var isWrite: Bool
  /// The priority among the calls that wait for a permit.
  public var priority: Priority

  /// A request of an operation, which decides `isWrite` and `priority`.
  public init(
    _ method: Method, _ target: String, fields: Fields = Fields(), body: [UInt8] = [], for operation: Operation
  ) {
    self.init(method, target, fields: fields, body: body, isWrite: operation.isWrite, priority: operation.priority)
  }

  /// - Parameter priority: Default: `writes` for a write, else `values`.
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

/// The upstream's response to an `HTTPRequest`.
public struct HTTPResponse: Sendable {
  public var status: Int
  /// Without hop-by-hop fields and framing.
  public var fields: Fields
  public var body: Body
  /// Whether the body has a `Content-Encoding` other than identity, so that it can be passed on but not read.
  public var isEncoded: Bool

  public init(status: Int, fields: Fields, body: Body, isEncoded: Bool = false) {
    self.status = status
    self.fields = fields
    self.body = body
    self.isEncoded = isEncoded
  }
}

/// An upstream's address: `http://host[:port][/path]`. The path precedes every request's target.
public struct BaseURL: Sendable, Hashable, CustomStringConvertible {
  /// Whether the scheme is `https`.
  public let isTLS: Bool
  /// In lower case; an IPv6 address without its brackets.
  public let host: String
  public let port: UInt16
  /// Empty, or starting with `/` and not ending with one.
  public let path: String

  /// The value of the `Host` field (RFC 9110 §7.2): with the port only when it is not the scheme's default.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// Scheme and authority, without the path.
  public var origin: String { "\(isTLS ? "https" : "http")://\(authority)" }

  public var description: String { origin + path }

  public init(isTLS: Bool, host: String, port: UInt16, path: String) {
    self.isTLS = isTLS
    self.host = host
    self.port = port
    self.path = path
  }
}
