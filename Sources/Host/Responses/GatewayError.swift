import AdapterAPI

/// The reason why the gateway itself responds to a request instead of an upstream: code, message and what belongs to them.
///
/// A class, because it is rare and every `async` frame that may throw it reserves space for it.
final class GatewayError: Error {
  /// The machine-readable code, `code` in the body.
  let code: Code
  /// A sentence for the caller.
  let message: String
  /// For the log only.
  let detail: String
  /// Whole seconds, for `Retry-After`.
  let retryAfter: Int64?
  /// The methods of `Allow` (RFC 9110 §10.2.1).
  let allow: String?
  /// The value of `Accept-Encoding`, where a content coding was refused (RFC 9110 §12.5.3).
  let acceptEncoding: String?
  /// The rejected fields; with `invalidField`.
  let problems: [FieldProblem]
  /// The outcome of the call to the upstream, where one was made.
  let upstreamClass: UpstreamClass?
  /// A byte of the request may have reached the upstream, so the outcome of a write is unknown.
  let mayHaveActed: Bool
  /// The `code` in the body for the clients of a front, which read that instead of the status; nil for every other error.
  let envelope: Int?

  /// - Parameter retryAfter: nil becomes one second for codes whose status is 503.
  init(
    _ code: Code, _ message: String, detail: String = "", retryAfter: Int64? = nil, allow: String? = nil,
    acceptEncoding: String? = nil, problems: [FieldProblem] = [], upstreamClass: UpstreamClass? = nil,
    mayHaveActed: Bool = false, envelope: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.detail = detail
    self.retryAfter = retryAfter ?? (code.status == 503 ? 1 : nil)
    self.allow = allow
    self.acceptEncoding = acceptEncoding
    self.problems = problems
    self.upstreamClass = upstreamClass
    self.mayHaveActed = mayHaveActed
    self.envelope = envelope
  }

  var status: Int { envelope == nil ? code.status : 200 }

  /// The gateway protects itself or its upstream.
  var isShed: Bool { code == .overloaded || code == .budgetSpent }
}

// MARK: codes

extension GatewayError {
  /// The codes of the client contract. The one place that gives each of them its status.
  enum Code: String, Sendable, CaseIterable {
    case badRequest = "bad_request"
    case badJSON = "bad_json"
    case unauthorized
    case forbidden
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case requestTimeout = "request_timeout"
    case conflict
    case bodyTooLarge = "body_too_large"
    case uriTooLong = "uri_too_long"
    case unsupportedMediaType = "unsupported_media_type"
    case expectationFailed = "expectation_failed"
    case invalidField = "invalid_field"
    case headersTooLarge = "headers_too_large"
    case unsupportedOperation = "unsupported_operation"
    case upstreamUnreachable = "upstream_unreachable"
    case upstreamMalformed = "upstream_malformed"
    case upstreamRejectedToken = "upstream_rejected_token"
    case overloaded
    case budgetSpent = "budget_spent"
    case noToken = "no_token"
    case storeUnavailable = "store_unavailable"
    case draining
    case upstreamTimeout = "upstream_timeout"
    case httpVersion = "http_version"

    var status: Int {
      switch self {
      case .badRequest, .badJSON: 400
      case .unauthorized: 401
      case .forbidden: 403
      case .notFound: 404
      case .methodNotAllowed: 405
      case .requestTimeout: 408
      case .conflict: 409
      case .bodyTooLarge: 413
      case .uriTooLong: 414
      case .unsupportedMediaType: 415
      case .expectationFailed: 417
      case .invalidField: 422
      case .headersTooLarge: 431
      case .unsupportedOperation: 501
      case .upstreamUnreachable, .upstreamMalformed, .upstreamRejectedToken: 502
      case .overloaded, .budgetSpent, .noToken, .storeUnavailable, .draining: 503
      case .upstreamTimeout: 504
      case .httpVersion: 505
      }
    }

    /// The code for bytes that are not a valid request.
    init(_ code: HTTPFault.Code) {
      self =
        switch code {
        case .badRequest: .badRequest
        case .requestTimeout: .requestTimeout
        case .bodyTooLarge: .bodyTooLarge
        case .uriTooLong: .uriTooLong
        case .headersTooLarge: .headersTooLarge
        case .expectationFailed: .expectationFailed
        case .unsupportedTransferCoding, .notImplementedMethod: .unsupportedOperation
        case .httpVersion: .httpVersion
        case .overloaded: .overloaded
        case .draining: .draining
        }
    }

    /// The code for a call that an adapter, or the HTTP client beneath it, could not complete.
    init(_ code: AdapterError.Code) {
      self =
        switch code {
        case .tokenRejected, .refreshRejected: .upstreamRejectedToken
        case .unreachable: .upstreamUnreachable
        case .malformed: .upstreamMalformed
        case .timeout: .upstreamTimeout
        case .unsupported: .unsupportedOperation
        case .badRequest: .badRequest
        case .overloaded, .cancelled: .overloaded
        case .budgetSpent: .budgetSpent
        }
    }
  }
}

extension GatewayError {
  convenience init(_ fault: HTTPFault) {
    self.init(Code(fault.code), fault.reason.description)
  }

  convenience init(_ error: AdapterError) {
    let code = Code(error.code)
    self.init(
      code, error.message, detail: error.detail,
      retryAfter: code.status == 503 ? error.retryAfter.map(GatewayError.seconds) : nil,
      upstreamClass: UpstreamClass(error.code), mayHaveActed: error.mayHaveActed)
  }

  /// An error of the store. Waiting may help, or the operator, who finds the reason in the log and in `/readyz`.
  convenience init(_ error: StoreError) {
    if error.code == .unstorable {
      self.init(.invalidField, "A text has a character that the gateway's store can't hold.", detail: error.description)
      return
    }
    let message =
      switch error.code {
      case .full: "The gateway's store is full: it can be read, but nothing can be added. Nothing was changed."
      case .readOnly: "The gateway's store can only be read, not written. Nothing was changed."
      default: "The gateway can't reach its store now; try again shortly."
      }
    self.init(
      .storeUnavailable, message, detail: error.description, retryAfter: error.needsOperator ? 30 : 2)
  }

  private static func seconds(_ duration: Duration) -> Int64 { max(1, (duration.milliseconds + 999) / 1000) }
}

// MARK: messages

extension GatewayError {
  /// - Parameter why: for the log; the caller learns only that the token is not valid.
  static func unauthorized(_ why: StaticString) -> GatewayError {
    GatewayError(
      .unauthorized, "A valid token is needed: send it as 'Authorization: Bearer <JWT>'.", detail: why.description)
  }

  /// An application or a token that a front refuses.
  ///
  /// - Parameters:
  ///   - envelope: the `code` in the body.
  ///   - why: for the log.
  static func front(_ envelope: Int, _ message: String, why: StaticString) -> GatewayError {
    let code: Code = envelope == 403 ? .forbidden : envelope == 303 ? .badRequest : .unauthorized
    return GatewayError(code, message, detail: why.description, envelope: envelope)
  }

  static let forbidden = GatewayError(.forbidden, "Your token does not carry a role that this route requires.")
  static let notFound = GatewayError(.notFound, "There is no such route.")

  static func methodNotAllowed(_ allow: String) -> GatewayError {
    GatewayError(.methodNotAllowed, "This route takes \(allow).", allow: allow)
  }

  static let unsupportedMediaType = GatewayError(
    .unsupportedMediaType, "The body must be JSON: send 'Content-Type: application/json'.")

  /// The body is not in UTF-8, by its `charset`.
  static let unsupportedCharset = GatewayError(
    .unsupportedMediaType, "The body must be in UTF-8: send no 'charset' in Content-Type, or 'charset=utf-8'.")

  /// The body has a content coding.
  static let unsupportedCoding = GatewayError(
    .unsupportedMediaType, "The body must not be compressed: send it without Content-Encoding.",
    acceptEncoding: "identity")

  static func unsupportedMediaType(_ message: String) -> GatewayError { GatewayError(.unsupportedMediaType, message) }
  static func badJSON(_ message: String) -> GatewayError { GatewayError(.badJSON, message) }
  /// A part of the request line is empty or not allowed.
  static func badRequest(_ message: String) -> GatewayError { GatewayError(.badRequest, message) }
  /// The path belongs to a route, but the resource that it names does not exist.
  static func notFound(_ message: String) -> GatewayError { GatewayError(.notFound, message) }
  static func conflict(_ message: String) -> GatewayError { GatewayError(.conflict, message) }
  static func overloaded(_ message: String) -> GatewayError { GatewayError(.overloaded, message) }

  /// Lists the first problems; the message counts all of them.
  static func invalidFields(_ problems: FieldProblems) -> GatewayError {
    let message =
      switch problems.count {
      case 1: "One field is not valid; see 'errors'."
      case ...FieldProblems.limit: "\(problems.count) fields are not valid; see 'errors'."
      default: "\(problems.count) fields are not valid; 'errors' lists the first \(FieldProblems.limit)."
      }
    return GatewayError(.invalidField, message, problems: problems.listed)
  }

  static func unsupportedOperation(_ name: String) -> GatewayError {
    GatewayError(.unsupportedOperation, "This gateway does not offer the operation '\(name)'.")
  }

  /// - Parameter path: the route that imports objects without asking the upstream.
  static func noListing(import path: String) -> GatewayError {
    GatewayError(
      .unsupportedOperation,
      "The upstream of this adapter can't list its objects ('objects'); import them with POST \(path).")
  }

  static func noToken(_ detail: String, retryAfter: Duration?, upstreamClass: UpstreamClass? = nil) -> GatewayError {
    GatewayError(
      .noToken, "The gateway has no valid token for its upstream; try again shortly.", detail: detail,
      retryAfter: retryAfter.map(seconds), upstreamClass: upstreamClass)
  }

  /// The deadline of the request or of the call passed while it waited.
  static func upstreamTimeout(_ detail: String) -> GatewayError {
    GatewayError(AdapterError(UpstreamFailure.unsent(.timeout, detail)))
  }

  /// `drain_timeout` is over before the request had a response.
  ///
  /// - Parameter error: the reason why there is none, for the log.
  static func draining(_ error: GatewayError) -> GatewayError {
    GatewayError(
      .draining, HTTPFault.drainTimeout.reason.description, detail: "drain_timeout is over (\(error.code.rawValue))",
      upstreamClass: error.upstreamClass, mayHaveActed: error.mayHaveActed)
  }

  /// The client left. No caller sees this; the log does.
  static func cancelled(_ detail: String) -> GatewayError {
    GatewayError(AdapterError.cancelled(detail))
  }
}
