import AdapterAPI

/// Our error body: `{"error": …, "code": …, "requestId": …}`.
enum ErrorAnswer {
  static func body(_ error: GatewayError, requestID: String) -> [UInt8] {
    var out: [UInt8] = []
    out.append(contentsOf: "{\"error\":".utf8)
    Escaping.appendQuoted(error.sentence, to: &out)
    out.append(contentsOf: ",\"code\":\"\(error.word)\",\"requestId\":".utf8)
    Escaping.appendQuoted(requestID, to: &out)
    out.append(contentsOf: "}\n".utf8)
    return out
  }

  static func fields(_ error: GatewayError, requestID: String) -> [UInt8] {
    var out: [UInt8] = []
    out.append(contentsOf: "Content-Type: application/json\r\nX-Request-Id: \(requestID)\r\n\(error.fields)".utf8)
    if let allow = error.allow { out.append(contentsOf: "Allow: \(allow)\r\n".utf8) }
    if let seconds = error.retryAfter { out.append(contentsOf: "Retry-After: \(seconds)\r\n".utf8) }
    return out
  }

  /// The whole answer to bytes that are no request; the connection ends after it.
  static func append(_ fault: HTTPFault, to out: inout [UInt8], server: ServerContext) {
    let error = GatewayError(fault)
    let requestID = RequestID.make()
    let body = body(error, requestID: requestID)
    StatusLine.append(error.status, to: &out)
    out.append(contentsOf: fields(error, requestID: requestID))
    server.appendDate(to: &out)
    out.append(contentsOf: "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n".utf8)
    out.append(contentsOf: body)
  }
}
