import AdapterAPI

/// The error body of the client contract: `{"error": …, "code": …, "requestId": …}`, with `"outcome": "unknown"` for a write that may
/// have been carried out and `errors` for rejected fields. A front's clients get `{"code": …, "error": …}` instead, in an HTTP 200.
enum ErrorBody {
  /// - Parameter isWrite: the request was to change something at the upstream.
  static func body(_ error: GatewayError, requestID: String, isWrite: Bool = false) -> [UInt8] {
    if let envelope = error.envelope {
      return JSONWriter.object {
        $0.member("code", envelope)
        $0.member("error", error.message)
      }
    }
    var json = JSONWriter()
    json.object { json in
      json.member("error", error.message)
      json.member("code", error.code.rawValue)
      json.member("requestId", requestID)
      if isWrite, error.mayHaveActed { json.member("outcome", "unknown") }
      if !error.problems.isEmpty {
        json.member("errors", arrayOf: error.problems) { json, problem in json.object { append(problem, to: &$0) } }
      }
    }
    return json.line()
  }

  private static func append(_ problem: FieldProblem, to json: inout JSONWriter) {
    if let row = problem.row { json.member("row", row) }
    json.member("field", problem.field, limit: textLimit)
    json.member("message", problem.message, limit: textLimit)
  }

  /// The part of a text that is shown, in bytes: texts may hold parts of the request.
  private static let textLimit = 400

  static func fields(_ error: GatewayError) -> Fields {
    var out: [UInt8] = []
    out.append("Content-Type: application/json\r\n")
    if error.envelope != nil { out.append("Cache-Control: no-store\r\n") }
    if error.status == 401 { out.append("WWW-Authenticate: Bearer\r\n") }
    if let allow = error.allow { out.append(text: "Allow: \(allow)\r\n") }
    if let coding = error.acceptEncoding { out.append(text: "Accept-Encoding: \(coding)\r\n") }
    if let seconds = error.retryAfter { out.append(text: "Retry-After: \(seconds)\r\n") }
    return Fields(checkedBlock: out)
  }
}

extension Response {
  /// Makes the response for an error.
  ///
  /// - Parameter isWrite: the request was to change something at the upstream.
  init(_ error: GatewayError, requestID: String, isWrite: Bool = false) {
    self.init(
      status: error.status, fields: ErrorBody.fields(error),
      body: .bytes(ErrorBody.body(error, requestID: requestID, isWrite: isWrite)),
      gateway: GatewayHeaders(requestID: requestID))
  }
}
