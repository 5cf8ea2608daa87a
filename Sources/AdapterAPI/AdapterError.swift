/// Why an operation or a token exchange failed: a code, whose fault it is, a sentence for the caller, a detail for the log.
///
/// The host turns codes into statuses in one table. The sentence never holds an upstream's address or a credential; neither does
/// the detail hold a credential.
public struct AdapterError: Error, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable, CaseIterable {
    /// The upstream refused our access token before acting (HTTP 401, `code` 301 or 302): refresh once, repeat once.
    case tokenRejected
    /// The upstream refused our refresh token: authorize.
    case refreshRejected
    /// No connection, or it broke before an answer.
    case unreachable
    case timeout
    /// An answer that is no answer: not HTTP, cut off, over a limit, not the vendor's language.
    case malformed
    /// An operation that this vendor does not have.
    case unsupported
    /// No place at the upstream within the queue's limits.
    case overloaded
    /// The caller's body does not say what the operation needs.
    case badRequest
    /// The caller went away; nobody is waiting for an answer.
    case cancelled
  }

  public enum Fault: Sendable { case caller, gateway, upstream }

  public var code: Code
  /// What the caller is told: one sentence.
  public var sentence: String
  /// What the log is told beside it.
  public var detail: String
  public var retryAfter: Duration?
  /// A byte of the request may have reached the upstream, so that a write's outcome is unknown.
  public var mayHaveActed: Bool

  public init(_ code: Code, _ sentence: String, detail: String = "", retryAfter: Duration? = nil, mayHaveActed: Bool = false) {
    self.code = code
    self.sentence = sentence
    self.detail = detail
    self.retryAfter = retryAfter
    self.mayHaveActed = mayHaveActed
  }

  public var fault: Fault {
    switch code {
    case .badRequest, .unsupported, .cancelled: .caller
    case .overloaded: .gateway
    case .tokenRejected, .refreshRejected, .unreachable, .timeout, .malformed: .upstream
    }
  }

  public var description: String { "\(code.rawValue): \(detail.isEmpty ? sentence : detail)" }

  public static func tokenRejected(_ detail: String) -> AdapterError {
    AdapterError(.tokenRejected, "The upstream refused the gateway's token.", detail: detail)
  }
  public static func refreshRejected(_ detail: String) -> AdapterError {
    AdapterError(.refreshRejected, "The upstream refused to renew the gateway's token.", detail: detail)
  }
  public static func malformed(_ detail: String) -> AdapterError {
    AdapterError(.malformed, "The upstream's answer could not be understood.", detail: detail)
  }
  public static func unsupported(_ operation: String) -> AdapterError {
    AdapterError(.unsupported, "This gateway's adapter has no operation '\(operation)'.")
  }
  public static func badRequest(_ sentence: String) -> AdapterError { AdapterError(.badRequest, sentence) }
}
