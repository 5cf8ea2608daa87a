import AdapterAPI

/// Our error body: `{"error": …, "code": …, "requestId": …}`.
enum ErrorAnswer {
  static func body(_ error: GatewayError, requestID: String) -> [UInt8] {
    var out: [UInt8] = []
    out.append("{\"error\":")
    Escaping.appendQuoted(error.sentence, to: &out)
    out.append(contentsOf: ",\"code\":\"\(error.word)\",\"requestId\":".utf8)
    Escaping.appendQuoted(requestID, to: &out)
    out.append("}\n")
    return out
  }

  static func fields(_ error: GatewayError) -> Fields {
    var out: [UInt8] = []
    out.append("Content-Type: application/json\r\n")
    if error.status == 401 { out.append("WWW-Authenticate: Bearer\r\n") }
    if let allow = error.allow { out.append(text: "Allow: \(allow)\r\n") }
    if let seconds = error.retryAfter { out.append(text: "Retry-After: \(seconds)\r\n") }
    return Fields(checkedBlock: out)
  }

  /// The whole answer to bytes that are no request; the connection ends after it.
  static func append(_ fault: HTTPFault, to out: inout [UInt8], server: ServerContext) {
    let error = GatewayError(fault)
    let requestID = RequestID.make()
    let body = body(error, requestID: requestID)
    StatusLine.append(error.status, to: &out)
    out.append(contentsOf: fields(error).bytes)
    out.append(text: "X-Request-Id: \(requestID)\r\n")
    server.appendDate(to: &out)
    out.append(contentsOf: "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n".utf8)
    out.append(contentsOf: body)
  }
}
