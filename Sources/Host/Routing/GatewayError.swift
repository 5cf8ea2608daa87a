import AdapterAPI

/// Why a request gets no answer from an upstream: status and word as the client contract has them, and one sentence.
///
/// This file is the one place where a failure becomes a status.
struct GatewayError: Error {
  let status: Int
  /// The machine-readable word, `code` in the body.
  let word: StaticString
  let sentence: String
  /// For the log only.
  var detail = ""
  /// Whole seconds, for `Retry-After`.
  var retryAfter: Int64?
  /// Further fields, as `Name: value\r\n`.
  var fields: StaticString = ""
  /// The methods of `Allow` (RFC 9110 §10.2.1).
  var allow: String?

  init(_ status: Int, _ word: StaticString, _ sentence: String) {
    self.status = status
    self.word = word
    self.sentence = sentence
  }

  static let unauthorized = {
    var error = GatewayError(
      401, "unauthorized", "A valid token is needed: send it as 'Authorization: Bearer <JWT>'.")
    error.fields = "WWW-Authenticate: Bearer\r\n"
    return error
  }()

  static let forbidden = GatewayError(403, "forbidden", "Your token does not carry a role that this route asks for.")
  static let notFound = GatewayError(404, "not_found", "There is no such route.")

  static func methodNotAllowed(_ allow: String) -> GatewayError {
    var error = GatewayError(405, "method_not_allowed", "This route takes \(allow).")
    error.allow = allow
    return error
  }

  static func badJSON(_ sentence: String) -> GatewayError { GatewayError(400, "bad_json", sentence) }

  static let unsupportedMediaType = GatewayError(
    415, "unsupported_media_type", "The body must be JSON: send 'Content-Type: application/json'.")

  static func unsupportedOperation(_ name: String) -> GatewayError {
    GatewayError(501, "unsupported_operation", "This gateway does not offer the operation '\(name)'.")
  }

  static func draining() -> GatewayError {
    var error = GatewayError(503, "draining", "The gateway is stopping; try again shortly.")
    error.retryAfter = 1
    return error
  }

  static func overloaded(_ detail: String) -> GatewayError {
    var error = GatewayError(503, "overloaded", "The gateway is busy; try again shortly.")
    error.detail = detail
    error.retryAfter = 1
    return error
  }

  static func noToken(_ detail: String, retryAfter: Duration?) -> GatewayError {
    var error = GatewayError(503, "no_token", "The gateway has no valid token for its upstream; try again shortly.")
    error.detail = detail
    error.retryAfter = seconds(retryAfter)
    return error
  }

  /// What the bytes of a request got wrong.
  init(_ fault: HTTPFault) {
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
    self.init(fault.status, word, text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : "."))
    if fault.code == .overloaded { retryAfter = 1 }
  }

  /// What an adapter, or the client beneath it, could not do.
  init(_ error: AdapterError) {
    switch error.code {
    case .tokenRejected, .refreshRejected: self.init(502, "upstream_rejected_token", error.sentence)
    case .unreachable: self.init(502, "upstream_unreachable", error.sentence)
    case .malformed: self.init(502, "upstream_malformed", error.sentence)
    case .timeout: self.init(504, "upstream_timeout", error.sentence)
    case .unsupported: self.init(501, "unsupported_operation", error.sentence)
    case .badRequest: self.init(400, "bad_request", error.sentence)
    case .overloaded:
      self.init(503, "overloaded", error.sentence)
      retryAfter = GatewayError.seconds(error.retryAfter)
    case .cancelled:
      self.init(503, "overloaded", "The request was given up.")
      retryAfter = 1
    }
    detail = error.detail
  }

  private static func seconds(_ duration: Duration?) -> Int64 {
    max(1, ((duration ?? .seconds(1)).milliseconds + 999) / 1000)
  }
}
