import AdapterAPI

/// Why a request gets no answer from an upstream: status and word as the client contract has them, and one sentence.
///
/// This file is the one place where a failure becomes a status.
///
/// A class, because it is rare and every `async` frame that may throw it has room for one.
final class GatewayError: Error {
  let status: Int
  /// The machine-readable word, `code` in the body.
  let word: StaticString
  let message: String
  /// For the log only.
  let detail: String
  /// Whole seconds, for `Retry-After`.
  let retryAfter: Int64?
  /// The methods of `Allow` (RFC 9110 §10.2.1).
  let allow: String?
  /// What is wrong with which field; with 422.
  let problems: [FieldProblem]
  /// How the call to the upstream ended, where one was made.
  let upstreamClass: UpstreamClass?

  init(
    _ status: Int, _ word: StaticString, _ message: String, detail: String = "", retryAfter: Int64? = nil,
    allow: String? = nil, problems: [FieldProblem] = [], upstreamClass: UpstreamClass? = nil
  ) {
    self.status = status
    self.word = word
    self.message = message
    self.detail = detail
    self.retryAfter = retryAfter
    self.allow = allow
    self.problems = problems
    self.upstreamClass = upstreamClass
  }

  /// The gateway protects itself or its upstream.
  var isShed: Bool { status == 503 && (word.description == "overloaded" || isBudgetSpent) }
  /// The upstream may not be asked again yet.
  var isBudgetSpent: Bool { word.description == "budget_spent" }

  /// - Parameter why: for the log; the caller learns nothing but that the token is no good.
  static func unauthorized(_ why: StaticString) -> GatewayError {
    GatewayError(
      401, "unauthorized", "A valid token is needed: send it as 'Authorization: Bearer <JWT>'.", detail: why.description
    )
  }

  static let forbidden = GatewayError(403, "forbidden", "Your token does not carry a role that this route asks for.")
  static let notFound = GatewayError(404, "not_found", "There is no such route.")

  static func methodNotAllowed(_ allow: String) -> GatewayError {
    GatewayError(405, "method_not_allowed", "This route takes \(allow).", allow: allow)
  }

  static func badJSON(_ message: String) -> GatewayError { GatewayError(400, "bad_json", message) }

  static let unsupportedMediaType = GatewayError(
    415, "unsupported_media_type", "The body must be JSON: send 'Content-Type: application/json'.")

  static func unsupportedMediaType(_ message: String) -> GatewayError {
    GatewayError(415, "unsupported_media_type", message)
  }

  /// A part of the request line that says nothing, or something else than it may.
  static func badRequest(_ message: String) -> GatewayError { GatewayError(400, "bad_request", message) }

  /// The path is a route's, and what it names is not there.
  static func notFound(_ message: String) -> GatewayError { GatewayError(404, "not_found", message) }

  static func conflict(_ message: String) -> GatewayError { GatewayError(409, "conflict", message) }

  /// The first problems are listed; the sentence counts all of them.
  static func invalidFields(_ problems: FieldProblems) -> GatewayError {
    let message =
      switch problems.count {
      case 1: "One field can't be taken; see 'errors'."
      case ...FieldProblems.limit: "\(problems.count) fields can't be taken; see 'errors'."
      default: "\(problems.count) fields can't be taken; 'errors' lists the first \(FieldProblems.limit)."
      }
    return GatewayError(422, "invalid_field", message, problems: problems.listed)
  }

  /// What the store could not do; waiting may help, or an operator, whom the log and `/readyz` tell.
  convenience init(_ error: StoreError) {
    let message =
      switch error.code {
      case .full: "The gateway's store is full: it can be read, and nothing can be added. Nothing was changed."
      case .readOnly: "The gateway's store can be read only, not written. Nothing was changed."
      default: "The gateway can't reach its store now; try again shortly."
      }
    self.init(
      503, "store_unavailable", message,
      detail: error.description, retryAfter: error.needsOperator ? 30 : 2)
  }

  /// The gateway protects itself; a moment later it may be different.
  static func overloaded(_ message: String) -> GatewayError {
    GatewayError(503, "overloaded", message, retryAfter: 1)
  }

  static func unsupportedOperation(_ name: String) -> GatewayError {
    GatewayError(501, "unsupported_operation", "This gateway does not offer the operation '\(name)'.")
  }

  /// - Parameter import: where the same is done without asking the upstream.
  static func noListing(import path: String) -> GatewayError {
    GatewayError(
      501, "unsupported_operation",
      "The upstream of this adapter can't list its objects ('objects'); import them with POST \(path).")
  }

  static func noToken(
    _ detail: String, retryAfter: Duration?, upstreamClass: UpstreamClass? = nil
  ) -> GatewayError {
    GatewayError(
      503, "no_token", "The gateway has no valid token for its upstream; try again shortly.", detail: detail,
      retryAfter: seconds(retryAfter), upstreamClass: upstreamClass)
  }

  /// What the bytes of a request got wrong.
  convenience init(_ fault: HTTPFault) {
    let word: StaticString =
      switch fault.code {
      case .badRequest: "bad_request"
      case .requestTimeout: "request_timeout"
      case .bodyTooLarge: "body_too_large"
      case .uriTooLong: "uri_too_long"
      case .headersTooLarge: "headers_too_large"
      case .expectationFailed: "expectation_failed"
      case .unsupportedTransferCoding, .notImplementedMethod: "unsupported_operation"
      case .httpVersion: "http_version"
      case .overloaded: "overloaded"
      }
    let text = fault.reason.description
    self.init(
      fault.status, word, text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : "."),
      retryAfter: fault.code == .overloaded ? 1 : nil)
  }

  /// What an adapter, or the client beneath it, could not do.
  convenience init(_ error: AdapterError) {
    let (status, word): (Int, StaticString) =
      switch error.code {
      case .tokenRejected, .refreshRejected: (502, "upstream_rejected_token")
      case .unreachable: (502, "upstream_unreachable")
      case .malformed: (502, "upstream_malformed")
      case .timeout: (504, "upstream_timeout")
      case .unsupported: (501, "unsupported_operation")
      case .badRequest: (400, "bad_request")
      case .overloaded, .cancelled: (503, "overloaded")
      case .budgetSpent: (503, "budget_spent")
      }
    self.init(
      status, word, error.message, detail: error.detail,
      retryAfter: status == 503 ? GatewayError.seconds(error.retryAfter) : nil,
      upstreamClass: UpstreamClass(error.code))
  }

  private static func seconds(_ duration: Duration?) -> Int64 {
    max(1, ((duration ?? .seconds(1)).milliseconds + 999) / 1000)
  }
}
