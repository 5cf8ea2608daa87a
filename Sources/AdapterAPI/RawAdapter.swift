/// An adapter whose upstream speaks the contract itself: it says what is sent and what an answer means; the host sends.
///
/// Bodies pass in both directions byte for byte. Both methods run on the way of every request, on all of the host's loops at the
/// same time: they wait for nothing.
public protocol RawAdapter: Adapter {
  /// Where its calls go.
  var client: any HTTPClient { get }

  /// The call that carries out a caller's request.
  ///
  /// - Throws: `.badRequest`, `.unsupported` or, where a token is missing, `.tokenRejected`; nothing has been sent then.
  func outgoing(_ request: AdapterRequest, _ call: Call) throws(AdapterError) -> HTTPRequest

  /// What the upstream's answer means, by its head and the part of its body that is here already (`Body.prefix`).
  ///
  /// - Throws: `.tokenRejected` where the upstream refused the token; `.malformed` where this is no answer that could be
  ///   passed on. The rest of its body is then read by nobody.
  func verdict(of answer: HTTPResponse) throws(AdapterError) -> AdapterResponse.Verdict
}

extension RawAdapter {
  /// The answer that goes on to the caller.
  ///
  /// - Throws: what `verdict` throws, with `mayHaveActed` where the request was a write.
  public func response(
    to request: AdapterRequest, _ answer: HTTPResponse
  ) throws(AdapterError) -> AdapterResponse {
    do throws(AdapterError) {
      return AdapterResponse(
        status: answer.status, fields: answer.fields, body: answer.body, verdict: try verdict(of: answer))
    } catch {
      if case .stream(_, let rest) = answer.body { rest.cancel() }
      // A refused token means that nothing was done; of any other answer nobody can tell.
      throw error.acted(request.operation.isWrite && error.code != .tokenRejected)
    }
  }

  private func pass(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try response(to: request, try await client.send(try outgoing(request, call), deadline: call.deadline))
  }

  public func values(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
  public func history(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
  public func set(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
  public func forceSet(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
  public func alarms(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
  public func alarmConfigs(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try await pass(request, call)
  }
}
