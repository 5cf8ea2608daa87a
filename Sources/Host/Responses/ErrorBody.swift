import AdapterAPI

/// The error body of the client contract: `{"error": …, "code": …, "requestId": …}`, with `"outcome": "unknown"` for a write that may
/// have been carried out and `errors` for rejected fields.
enum ErrorBody {
  /// - Parameter isWrite: the request was to change something at the upstream.
  static func body(_ error: GatewayError, requestID: String, isWrite: Bool = false) -> [UInt8] {
    var out: [UInt8] = []
    out.append("{\"error\":")
    Escaping.appendQuoted(error.message, to: &out)
    out.append(contentsOf: ",\"code\":\"\(error.code.rawValue)\",\"requestId\":".utf8)
    Escaping.appendQuoted(requestID, to: &out)
    if isWrite, error.mayHaveActed { out.append(",\"outcome\":\"unknown\"") }
    if !error.problems.isEmpty { append(error.problems, to: &out) }
    out.append("}\n")
    return out
  }

  private static func append(_ problems: [FieldProblem], to out: inout [UInt8]) {
    out.append(",\"errors\":")
    for (index, problem) in problems.enumerated() {
      out.append(index == 0 ? "[{" : ",{")
      if let row = problem.row { out.append(text: "\"row\":\(row),") }
      out.append("\"field\":")
      Escaping.appendQuoted(problem.field, limit: textLimit, to: &out)
      out.append(",\"message\":")
      Escaping.appendQuoted(problem.message, limit: textLimit, to: &out)
      out.append("}")
    }
    out.append("]")
  }

  /// The part of a text that is shown, in bytes: texts may hold parts of the request.
  private static let textLimit = 400

  static func fields(_ error: GatewayError) -> Fields {
    var out: [UInt8] = []
    out.append("Content-Type: application/json\r\n")
    if error.status == 401 { out.append("WWW-Authenticate: Bearer\r\n") }
    if let allow = error.allow { out.append(text: "Allow: \(allow)\r\n") }
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
