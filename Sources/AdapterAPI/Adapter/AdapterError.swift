/// The failure of an operation or of a token exchange: a code, a message for the caller, a detail for the log.
///
/// The host turns codes into HTTP statuses in one table. The message never holds an upstream's address or a credential; the detail
/// never holds a credential.
public struct AdapterError: Error, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable, CaseIterable {
    /// The upstream refused the access token before acting. The host refreshes it and repeats the call, once.
    case tokenRejected
    /// The upstream refused the refresh token. The host authorizes.
    case refreshRejected
    /// No connection to the upstream, or it broke before a response.
    case unreachable
    /// No response before the deadline.
    case timeout
    /// A response that cannot be used: not HTTP, cut off, over a limit, or not in the vendor's language.
    case malformed
    /// The vendor does not have the operation.
    case unsupported
    /// No permit of the upstream became free within the queue's limits.
    case overloaded
    /// The upstream's budget has no call left for the request.
    case budgetSpent
    /// The caller's body does not say what the operation needs.
    case badRequest
    /// The caller left; no response can reach it.
    case cancelled
  }

  public let code: Code
  private let particulars: Particulars

  /// Allocated apart, so that an error takes two words in each of the many places that may throw one.
  private final class Particulars: Sendable {
    let message: String
    let detail: String
    let retryAfter: Duration?
    let mayHaveActed: Bool

    init(_ message: String, _ detail: String, _ retryAfter: Duration?, _ mayHaveActed: Bool) {
      self.message = message
      self.detail = detail
      self.retryAfter = retryAfter
      self.mayHaveActed = mayHaveActed
    }
  }

  /// - Parameters:
  ///   - message: A full sentence for the caller.
  ///   - detail: Further text for the log.
  ///   - retryAfter: The time after which a repetition makes sense.
  ///   - mayHaveActed: Whether a byte of the request may have reached the upstream, so that a write's outcome is unknown.
  public init(
    _ code: Code, _ message: String, detail: String = "", retryAfter: Duration? = nil, mayHaveActed: Bool = false
  ) {
    self.code = code
    particulars = Particulars(message, detail, retryAfter, mayHaveActed)
  }

  /// A full sentence for the caller.
  public var message: String { particulars.message }
  /// Further text for the log; may be empty.
  public var detail: String { particulars.detail }
  /// The time after which a repetition makes sense; nil when it is unknown.
  public var retryAfter: Duration? { particulars.retryAfter }
  /// Whether a byte of the request may have reached the upstream, so that a write's outcome is unknown.
  public var mayHaveActed: Bool { particulars.mayHaveActed }

  /// Returns the same error with another `mayHaveActed`.
  public func acted(_ mayHaveActed: Bool) -> AdapterError {
    AdapterError(code, message, detail: detail, retryAfter: retryAfter, mayHaveActed: mayHaveActed)
  }

  /// The code and the detail, for the log.
  public var description: String { "\(code.rawValue): \(detail.isEmpty ? message : detail)" }

  public static func tokenRejected(_ detail: String) -> AdapterError {
    AdapterError(.tokenRejected, "The upstream refused the gateway's token.", detail: detail)
  }
  public static func refreshRejected(_ detail: String) -> AdapterError {
    AdapterError(.refreshRejected, "The upstream refused to renew the gateway's token.", detail: detail)
  }
  public static func malformed(_ detail: String) -> AdapterError {
    AdapterError(.malformed, "The upstream's response could not be understood.", detail: detail)
  }
  public static func unsupported(_ operation: String) -> AdapterError {
    AdapterError(.unsupported, "This gateway's adapter has no operation '\(operation)'.")
  }
  public static func badRequest(_ message: String) -> AdapterError { AdapterError(.badRequest, message) }
  public static func cancelled(_ detail: String = "") -> AdapterError {
    AdapterError(.cancelled, "The caller left.", detail: detail)
  }
}
