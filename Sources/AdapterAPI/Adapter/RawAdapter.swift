/// An adapter whose upstream speaks the contract itself: it says what is sent and what a response means.
///
/// Bodies pass in both directions byte for byte. Both methods run synchronously in every request, on all of the host's event
/// loops concurrently: they never block.
public protocol RawAdapter: Adapter {
  /// The client that sends its requests.
  var client: any HTTPClient { get }

  /// Returns the upstream request that carries out a caller's request.
  ///
  /// - Throws: `.badRequest`, `.unsupported` or, when `call.token` is missing, `.tokenRejected`. Nothing has been sent then.
  func outgoing(_ request: AdapterRequest, _ call: Call) throws(AdapterError) -> HTTPRequest

  /// Returns the meaning of the upstream's response, judged by its head and the part of its body that has arrived
  /// (`Body.prefix`).
  ///
  /// - Throws: `.tokenRejected` when the upstream refused the token; `.malformed` when the response cannot be passed on. The rest
  ///   of its body is then discarded.
  func verdict(of response: HTTPResponse) throws(AdapterError) -> AdapterResponse.Verdict
}

extension RawAdapter {
  /// Returns the response for the caller.
  ///
  /// - Throws: the error of `verdict`, with `mayHaveActed` when the request was a write and the token was not refused.
  public func response(
    to request: AdapterRequest, _ upstream: HTTPResponse
  ) throws(AdapterError) -> AdapterResponse {
    do throws(AdapterError) {
      return AdapterResponse(
        status: upstream.status, fields: upstream.fields, body: upstream.body, verdict: try verdict(of: upstream))
    } catch {
      if case .stream(_, let rest) = upstream.body { rest.cancel() }
      // An upstream refuses a token before it acts. After any other failure the write's outcome is unknown.
      throw error.acted(request.operation.isWrite && error.code != .tokenRejected)
    }
  }

  /// Sends `outgoing` and returns the `response` to it. The host calls the three steps itself, to send on its own event loop.
  public func perform(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    try response(to: request, try await client.send(try outgoing(request, call), deadline: call.deadline))
  }
}
