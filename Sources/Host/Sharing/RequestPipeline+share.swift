import AdapterAPI

/// The step "share" of a reading request: a kept answer, a call that is under way already, or one that others may join.
extension RequestPipeline {
  func share(
    _ request: AdapterRequest, _ policy: SharingPolicy, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> SharedRead {
    let adapter = route.adapter
    let key = ReadKey(adapter: adapter.number, request)
    switch sharing.look(key, policy, adapter.writes, on: loop) {
    case .kept(let read, let refresh):
      adapter.metrics.recordCoalesced(.cached)
      report.source = read.source(of: adapter)
      if let refresh { start(refresh, request, adapter, report.requestID) }
      return read
    case .seat(let seat):
      if seat.begins {
        start(seat.flight, request, adapter, report.requestID)
      } else {
        adapter.metrics.recordCoalesced(.identical)
      }
      return try await landing(of: seat, request, route, exchange, report)
    }
  }

  /// Starts a call that is nobody's: it has the deadline of the adapter's own limits.
  private func start(_ flight: Flight, _ request: AdapterRequest, _ adapter: AdapterInstance, _ requestID: String) {
    let caller = LoopBound(self.caller, on: loop)
    let deadline = loop.now.advanced(byNanoseconds: adapter.callTime)
    sharing.start(flight, adapter.writes, on: loop) {
      do throws(GatewayError) {
        return .success(
          try await caller.value.answer(to: request, from: adapter, deadline: deadline, requestID: requestID))
      } catch {
        return .failure(error)
      }
    }
  }

  private func landing(
    of seat: Sharing.Seat, _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> SharedRead {
    switch await sharing.wait(seat, until: exchange.began.advanced(byNanoseconds: route.timeout)) {
    case .value(.answer(let response)):
      report.upstream(response)
      return SharedRead(response)
    case .value(.failed(let error)): throw error
    case .value(.alone): return SharedRead(try await perform(request, route, exchange, report))
    case .timedOut:
      throw GatewayError(
        AdapterError(.timeout, "The upstream did not answer in time.", detail: "no answer within the route's timeout"))
    case .cancelled: throw GatewayError(AdapterError(.cancelled, "The caller left."))
    }
  }
}
