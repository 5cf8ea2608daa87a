import AdapterAPI

/// The reason for which a caller gets no token. The HTTP response is 503 `no_token`.
struct KeeperError: Error, Sendable, Equatable, CustomStringConvertible {
  enum Code: String, Sendable, CaseIterable {
    /// The exchange failed, or the upstream refuses the tokens that it issues. The next exchange has to wait.
    case noToken
    /// No token came before the caller's deadline.
    case deadline
    /// The caller's task was cancelled.
    case cancelled
    /// The keeper has stopped.
    case stopped
  }

  let code: Code
  /// The time after which a retry makes sense.
  let retryAfter: Duration
  /// A text for the log, without any credential.
  let detail: String

  var description: String { detail.isEmpty ? code.rawValue : "\(code.rawValue): \(detail)" }

  init(_ code: Code, retryAfter: Duration = .seconds(1), detail: String = "") {
    self.code = code
    self.retryAfter = retryAfter
    self.detail = detail
  }
}

/// An event of a token's life: an exchange, as `gateway_token_refresh_total` counts it, or a change of the store's state.
enum TokenEvent: String, Sendable, CaseIterable {
  case refreshed, authorized, rejected, failed
  /// Authorized without the lease while the store was unavailable.
  case detached
  /// Another process has renewed the token, and its pair is used.
  case adopted
  case storeDown, storeUp
  /// The keeper has stopped: its reports about itself and the store no longer hold.
  case ended
}
