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
      if !seat.begins {
        adapter.metrics.recordCoalesced(.identical)
      } else if exchange.began.advanced(byNanoseconds: route.timeout) < callDeadline(adapter) {
        start(seat.flight, request, route, report.requestID, isRenewal: seat.isRenewal)
      } else {
        await lead(seat, request, route, exchange, report)
      }
      do throws(GatewayError) {
        return try await landing(of: seat, request, route, exchange, report)
      } catch {
        // Others may have had the last call in the same moment.
        guard error.code == .budgetSpent, policy.keeps,
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

  /// Starts a call that is nobody's, in a task of its own.
  private func start(_ flight: Flight, _ request: AdapterRequest, _ route: Route, _ requestID: String, isRenewal: Bool)
  {
    let pipeline = LoopBound(self, on: loop)
    sharing.start(flight, route.adapter.writes, on: loop) {
      await pipeline.value.call(for: flight, request, route, requestID, isRenewal: isRenewal)
    }
  }

  /// Makes the call in this request's own task, which spares one of its own; so only where the request may wait as long as the call
  /// may take. It goes on without the client as long as others wait.
  private func lead(
    _ seat: Sharing.Seat, _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async {
    let leader = LoopBound(exchange, on: loop)
    exchange.onGone = { [sharing] in
      sharing.leaderLeaves(seat, on: leader.loop) { leader.loop.execute { leader.value.task?.cancel() } }
    }
    let result = await call(for: seat.flight, request, route, report.requestID, isRenewal: seat.isRenewal)
    await sharing.land(seat.flight, result, route.adapter.writes, on: loop)
    exchange.onGone = nil
  }

  /// The adapter's own limit for a call that begins now.
  private func callDeadline(_ adapter: AdapterInstance) -> Instant {
    loop.now.advanced(byNanoseconds: adapter.callTime)
  }

  /// A flight's call, by itself or in one with others' codes.
  private func call(
    for flight: Flight, _ request: AdapterRequest, _ route: Route, _ requestID: String, isRenewal: Bool
  ) async -> Sharing.CallResult {
    let adapter = route.adapter
    let deadline = callDeadline(adapter)
    if let batch = route.batch {
      return await batch.merger.answer(
        to: request, batch.policy, epoch: flight.epoch, deadline: deadline, isRenewal: isRenewal,
        call: call(to: adapter, requestID))
    }
    return await caller.result(
      of: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
  }

  /// Calls of the adapter, for code that is not this loop's own.
  private func call(to adapter: AdapterInstance, _ requestID: String) -> BatchMerger.UpstreamCall {
    let caller = LoopBound(self.caller, on: loop)
    return { request, deadline, isRenewal in
      await caller.value.result(
        of: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
    }
  }

  /// The answer for a route that merges calls and shares nothing else.
  @inline(never)
  func merge(
    _ request: AdapterRequest, _ batch: Route.Batch, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> AdapterResponse {
    let answer = try await batch.merger.answer(
      to: request, batch.policy, epoch: route.adapter.writes.current,
      deadline: exchange.began.advanced(byNanoseconds: route.timeout), call: call(to: route.adapter, report.requestID)
    ).get()
    report.upstream(answer)
    return answer
  }

  private func landing(
    of seat: Sharing.Seat, _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> SharedRead {
    switch await sharing.wait(seat, until: exchange.began.advanced(byNanoseconds: route.timeout), waits) {
    case .landed(.answer(let answer)):
      report.upstream(answer.response)
      return SharedRead(answer)
    case .landed(.failed(let error)): throw error
    case .landed(.alone): return SharedRead(try await perform(request, route, exchange, report))
    case .timedOut:
      throw .upstreamTimeout("no response within the route's timeout")
    case .cancelled: throw .cancelled("left while it waited for a shared call")
    }
  }
}
