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
    /// No call is left for it in the upstream's budget.
    case budgetSpent
    /// The caller's body does not say what the operation needs.
    case badRequest
    /// The caller went away; nobody is waiting for an answer.
    case cancelled
  }

  public enum Fault: Sendable { case caller, gateway, upstream }

  public let code: Code
  private let particulars: Particulars

  /// Apart, so that an error takes two words in each of the many places that may throw one.
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
  ///   - sentence: What the caller is told.
  ///   - detail: What the log is told beside it.
  ///   - retryAfter: When asking again makes sense.
  ///   - mayHaveActed: A byte of the request may have reached the upstream, so that a write's outcome is unknown.
  public init(
    _ code: Code, _ message: String, detail: String = "", retryAfter: Duration? = nil, mayHaveActed: Bool = false
  ) {
    self.code = code
    particulars = Particulars(message, detail, retryAfter, mayHaveActed)
  }

  public var message: String { particulars.message }
  public var detail: String { particulars.detail }
  public var retryAfter: Duration? { particulars.retryAfter }
  public var mayHaveActed: Bool { particulars.mayHaveActed }

  /// The same with another word on whether a write may have had its effect.
  public func acted(_ mayHaveActed: Bool) -> AdapterError {
    AdapterError(code, message, detail: detail, retryAfter: retryAfter, mayHaveActed: mayHaveActed)
  }

  public var fault: Fault {
    switch code {
    case .badRequest, .unsupported, .cancelled: .caller
    case .overloaded, .budgetSpent: .gateway
    case .tokenRejected, .refreshRejected, .unreachable, .timeout, .malformed: .upstream
    }
  }

  public var description: String { "\(code.rawValue): \(detail.isEmpty ? message : detail)" }

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
  public static func badRequest(_ message: String) -> AdapterError { AdapterError(.badRequest, message) }
}
