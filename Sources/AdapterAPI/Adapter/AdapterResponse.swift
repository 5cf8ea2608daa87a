/// An adapter's response to a caller. The host drops hop-by-hop and credential fields from it.
public struct AdapterResponse: Sendable {
  /// The HTTP status, 200 to 599.
  public var status: Int
  public var fields: Fields
  public var body: Body
  /// The meaning of the response, for metrics, the response cache and the circuit breaker. The caller gets the same bytes either way.
  public var verdict: Verdict

  /// The outcome of an operation as the upstream reports it.
  public enum Verdict: Sendable, Equatable {
    case ok
    /// The upstream understood the request and refused it with a code of its own.
    case businessError(code: Int)
  }

  public init(status: Int, fields: Fields, body: Body, verdict: Verdict = .ok) {
    self.status = status
    self.fields = fields
    self.body = body
    self.verdict = verdict
  }

  /// A response with `Content-Type: application/json`.
  public init(json bytes: [UInt8], status: Int = 200, verdict: Verdict = .ok) {
    self.init(status: status, fields: AdapterResponse.jsonFields, body: .bytes(bytes), verdict: verdict)
  }

  private static let jsonFields = Fields(checkedBlock: Array("Content-Type: application/json\r\n".utf8))
}

/// A body in memory, or one that is still arriving.
public enum Body: Sendable {
  case bytes([UInt8])
  /// The bytes that have arrived, then the rest as it arrives.
  case stream(prefix: [UInt8], rest: any BodyStream)

  /// The bytes that can be read without waiting: a whole body in memory, or the part of a stream that has arrived.
  public var prefix: [UInt8] {
    switch self {
    case .bytes(let bytes): bytes
    case .stream(let prefix, _): prefix
    }
  }

  /// Whether the prefix is the whole body.
  public var isWhole: Bool {
    if case .bytes = self { true } else { false }
  }
}

/// The rest of a body, pulled piece by piece, so that a slow reader slows the sender down.
///
/// Has one reader at a time. Releasing a stream before its end closes the connection that it came from.
public protocol BodyStream: AnyObject, Sendable {
  /// The number of bytes still to come; nil when only the end will tell.
  var remaining: Int? { get }
  /// Returns the next piece, never empty; nil at the end.
  ///
  /// - Throws: `.unreachable` or `.malformed` when the sender broke off, `.timeout` when it was too slow, `.cancelled` when the
  ///   reader's task was cancelled.
  func next() async throws(AdapterError) -> [UInt8]?
  /// Discards the rest. May be called on any thread; no `next` may follow.
  func cancel()
}
