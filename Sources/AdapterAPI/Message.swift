/// What the host hands an adapter: a caller's request, checked as far as every vendor needs it.
public struct AdapterRequest: Sendable {
  public let operation: Operation
  /// The caller's fields that may go upstream: `Content-Type`, `Accept`, `prop`, `traceparent`, `tracestate`, `X-Request-Id`.
  public let fields: Fields
  /// One JSON object (RFC 8259), as the caller wrote it: valid UTF-8, depth at most 64, no duplicate key at the top.
  /// Empty only for `alarms` and `alarmConfigs`, where it stands for `{}`.
  public let body: [UInt8]

  public init(operation: Operation, fields: Fields = Fields(), body: [UInt8]) {
    self.operation = operation
    self.fields = fields
    self.body = body
  }
}

/// The circumstances of one call. A class, because it goes through every function of a call unchanged.
public final class Call: Sendable {
  /// A token that is good for this call; nil when the adapter has none (`usesToken == false`).
  public let token: Token?
  /// When the caller's patience ends.
  public let deadline: Instant
  /// The request's id, for log lines.
  public let requestID: String

  public init(token: Token?, deadline: Instant, requestID: String = "") {
    self.token = token
    self.deadline = deadline
    self.requestID = requestID
  }
}

/// What an adapter answers. A raw adapter passes on what its upstream said; the host drops credentials and hop-by-hop fields.
public struct AdapterResponse: Sendable {
  public var status: Int
  public var fields: Fields
  public var body: Body
  /// What the answer means, for metrics and the circuit breaker; the caller gets the same bytes either way.
  public var verdict: Verdict

  public enum Verdict: Sendable, Equatable {
    case ok
    /// The upstream understood and said no, with its own code.
    case businessError(code: Int)
  }

  public init(status: Int, fields: Fields, body: Body, verdict: Verdict = .ok) {
    self.status = status
    self.fields = fields
    self.body = body
    self.verdict = verdict
  }

  /// A JSON answer, status 200 unless said otherwise.
  public init(json bytes: [UInt8], status: Int = 200, verdict: Verdict = .ok) {
    self.init(
      status: status, fields: Fields(checkedBlock: Array("Content-Type: application/json\r\n".utf8)),
      body: .bytes(bytes),
      verdict: verdict)
  }
}

/// A body in memory, or one that is still arriving.
public enum Body: Sendable {
  case bytes([UInt8])
  /// The first bytes, already here, then the rest as it comes.
  case stream(prefix: [UInt8], rest: any BodyStream)

  /// The bytes that can be looked at without waiting: all of a body in memory, the held-back first part of a stream.
  public var prefix: [UInt8] {
    switch self {
    case .bytes(let bytes): bytes
    case .stream(let prefix, _): prefix
    }
  }

  /// Nothing follows the prefix.
  public var isWhole: Bool {
    if case .bytes = self { true } else { false }
  }
}

/// The rest of a body, pulled piece by piece, so that a slow reader slows the sender down.
///
/// One reader at a time. A stream that is dropped unread closes what it came from.
public protocol BodyStream: AnyObject, Sendable {
  /// How many bytes `next` will still bring; nil when only the end will tell.
  var remaining: Int? { get }
  /// The next piece, nil at the end. Throws when the sender broke off or was too slow.
  func next() async throws(AdapterError) -> [UInt8]?
  /// No more will be read.
  func cancel()
}
