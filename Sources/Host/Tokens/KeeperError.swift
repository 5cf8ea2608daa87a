import AdapterAPI

/// Why a caller gets no token.
///
/// All of them are answered 503 `no_token`, apart from `.cancelled`, for which nobody waits.
struct KeeperError: Error, Sendable, Equatable, CustomStringConvertible {
  enum Code: String, Sendable, CaseIterable {
    /// The upstream gave none, or gave one just now that it refused at once; the next attempt waits.
    case noToken
    /// None came before the caller's deadline.
    case deadline
    /// The caller went away.
    case cancelled
    /// The keeper was stopped.
    case stopped
  }

  let code: Code
  /// When asking again makes sense.
  let retryAfter: Duration
  /// What the last exchange failed with, for `.noToken`; nil when the upstream refused the tokens that it gave.
  let cause: AdapterError.Code?
  /// What the log is told; never a credential.
  let detail: String

  /// What the caller is told.
  var message: String {
    switch code {
    case .noToken: "The gateway has no valid token for the upstream at the moment; try again later."
    case .deadline: "The upstream did not give the gateway a token in time; try again later."
    case .cancelled: "The request was given up."
    case .stopped: "The gateway is stopping; try again."
    }
  }

  var description: String { detail.isEmpty ? code.rawValue : "\(code.rawValue): \(detail)" }

  init(_ code: Code, retryAfter: Duration = .seconds(1), cause: AdapterError.Code? = nil, detail: String = "") {
    self.code = code
    self.retryAfter = retryAfter
    self.cause = cause
    self.detail = detail
  }
}

/// What happened to a token, as `gateway_token_refresh_total` counts it, and how the store is.
enum TokenEvent: String, Sendable, CaseIterable {
  case refreshed, authorized, rejected, failed
  /// Authorized without the lease while the store was away.
  case detached
  /// Another process renewed it, and its pair is used.
  case adopted
  case storeDown, storeUp
  /// The keeper has stopped: what it said about itself and the store holds no longer.
  case ended
}
