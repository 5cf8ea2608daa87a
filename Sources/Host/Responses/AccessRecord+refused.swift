extension AccessRecord {
  /// The entry of bytes that are not a request, with the response to them.
  init(_ refused: RefusedRequest, _ response: borrowing Response, route: String) {
    self.init(
      requestID: response.gateway.requestID,
      method: refused.method.isEmpty ? "other" : String(decoding: refused.method, as: UTF8.self),
      route: route, path: refused.path, status: response.status,
      bytes: refused.isHead ? 0 : response.body.prefix.count, nanoseconds: 0, remote: refused.remote)
    code = GatewayError.Code(refused.fault.code).rawValue
    reason = refused.fault.reason.description
  }
}
