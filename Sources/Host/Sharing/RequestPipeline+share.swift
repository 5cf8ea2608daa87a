import AdapterAPI

/// The step "share" of a reading request: a kept answer, a call that is under way already, or one that others may join.
extension RequestPipeline {
  @inline(never)
  func share(
    _ request: AdapterRequest, _ policy: SharingPolicy, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> SharedRead {
    let adapter = route.adapter
    let key = ReadKey(adapter: adapter.number, request)
    switch sharing.look(key, policy, adapter.writes, waits, mayRenew: { adapter.budget?.allows(.renewal) ?? true }) {
    case .kept(let read, let refresh):
      guard let refresh else { return given(read, adapter, report) }
      start(refresh, request, route, report.requestID, isRenewal: true)
      return given(read, adapter, report, isFree: false)
    case .seat(let seat):
      if seat.begins {
        start(seat.flight, request, route, report.requestID, isRenewal: seat.isRenewal)
      } else {
        adapter.metrics.recordCoalesced(.identical)
      }
      do throws(GatewayError) {
        return try await landing(of: seat, request, route, exchange, report)
      } catch {
        // Others may have had the last call in the same moment.
        guard error.isBudgetSpent, policy.keeps,
          let read = sharing.previous(key, policy, adapter.writes, on: loop)
        else { throw error }
        return given(read, adapter, report)
      }
    }
  }

  /// An answer that was kept. It is free, unless its age has this request begin a call for those who come after it.
  private func given(
    _ read: SharedRead, _ adapter: AdapterInstance, _ report: Report, isFree: Bool = true
  ) -> SharedRead {
    if isFree { adapter.metrics.recordCoalesced(.cached) }
    report.source = read.source(of: adapter)
    return read
  }

  /// Starts a call that is nobody's: it has the deadline of the adapter's own limits.
  private func start(_ flight: Flight, _ request: AdapterRequest, _ route: Route, _ requestID: String, isRenewal: Bool)
  {
    let call = call(to: route.adapter, requestID, isRenewal: isRenewal)
    let deadline = loop.now.advanced(byNanoseconds: route.adapter.callTime)
    sharing.start(flight, route.adapter.writes, on: loop) {
      guard let merger = route.merger, let policy = route.configuration.batch else {
        return await call(request, deadline)
      }
      return await merger.answer(to: request, policy, epoch: flight.epoch, deadline: deadline, call: call)
    }
  }

  /// The adapter's answer as a value, for code that is not this loop's own.
  private func call(to adapter: AdapterInstance, _ requestID: String, isRenewal: Bool = false)
    -> BatchMerger.UpstreamCall
  {
    let caller = LoopBound(self.caller, on: loop)
    return { request, deadline in
      do throws(GatewayError) {
        return .success(
          try await caller.value.answer(
            to: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal))
      } catch {
        return .failure(error)
      }
    }
  }

  /// The answer for a route that merges calls and shares nothing else.
  @inline(never)
  func merge(
    _ request: AdapterRequest, _ merger: BatchMerger, _ policy: BatchMerger.Policy, _ route: Route,
    _ exchange: Exchange,
    _ report: Report
  ) async throws(GatewayError) -> AdapterResponse {
    let answer = try await merger.answer(
      to: request, policy, epoch: route.adapter.writes.current,
      deadline: exchange.began.advanced(byNanoseconds: route.timeout), call: call(to: route.adapter, report.requestID)
    ).get()
    report.upstream(answer)
    return answer
  }

  private func landing(
    of seat: Sharing.Seat, _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> SharedRead {
    switch await sharing.wait(seat, until: exchange.began.advanced(byNanoseconds: route.timeout), waits) {
    case .landed(.answer(let response)):
      report.upstream(response)
      return SharedRead(response)
    case .landed(.failed(let error)): throw error
    case .landed(.alone): return SharedRead(try await perform(request, route, exchange, report))
    case .timedOut:
      throw GatewayError(
        AdapterError(.timeout, "The upstream did not answer in time.", detail: "no answer within the route's timeout"))
    case .cancelled: throw GatewayError(AdapterError(.cancelled, "The caller left."))
    }
  }
}
