import AdapterAPI

/// The step "share" of a reading request: a cached response, a call in flight, or a call that identical requests may join.
extension RequestPipeline {
  @inline(never)
  func share(
    _ request: AdapterRequest, _ policy: SharingPolicy, _ route: Route, _ exchange: Exchange, _ record: RequestRecord
  ) async throws(GatewayError) -> SharedResponse {
    let adapter = route.adapter
    let key = ReadKey(adapter: adapter.number, request)
    // A leader waits for the call as long as the adapter's limits allow. A request with less time starts a task for the call.
    let leads = record.deadline >= callDeadline(adapter)
    let outcome: Sharing.Outcome
    switch sharing.find(
      key, policy, adapter.writes, waits, leads: leads, mayRenew: { adapter.budget?.allows(.renewal) ?? true })
    {
    case .cached(let response, let refresh):
      guard let refresh else { return useCached(response, adapter, record) }
      start(refresh, request, route, record.requestID, isRenewal: true)
      record.source = response.source(adapter.source)
      return response
    case .inFlight(let own):
      if own.isLeader {
        outcome = await lead(own, request, route, exchange, record)
      } else {
        if own.begins {
          start(own.call, request, route, record.requestID, isRenewal: own.isRenewal)
        } else {
          adapter.metrics.recordCoalesced(.identical)
        }
        outcome = await sharing.wait(own, until: record.deadline, waits)
      }
    }
    do throws(GatewayError) {
      switch outcome {
      case .response(let shared):
        record.upstreamResponded(shared.response)
        return shared
      case .notShared: return SharedResponse(try await perform(request, route, exchange, record))
      case .failed(let error): throw error
      }
    } catch {
      // Another request may have made the budget's last call since the cache was looked at.
      guard error.code == .budgetSpent, policy.usesCache,
        let response = sharing.cachedResponse(key, policy, adapter.writes, on: loop)
      else { throw error }
      return useCached(response, adapter, record)
    }
  }

  /// Counts a request that a cached response saved a call.
  private func useCached(
    _ response: SharedResponse, _ adapter: AdapterInstance, _ record: RequestRecord
  ) -> SharedResponse {
    adapter.metrics.recordCoalesced(.cached)
    record.source = response.source(adapter.source)
    return response
  }

  /// Starts a shared call in a task of its own.
  private func start(
    _ shared: InFlightCall, _ request: AdapterRequest, _ route: Route, _ requestID: String, isRenewal: Bool
  ) {
    let pipeline = LoopBound(self, on: loop)
    sharing.start(shared, route.adapter.writes, on: loop) {
      await pipeline.value.call(for: shared, request, route, requestID, isRenewal: isRenewal)
    }
  }

  /// Makes a shared call in this request's own task, which continues without its client while the call is needed.
  private func lead(
    _ own: Sharing.Participant, _ request: AdapterRequest, _ route: Route, _ exchange: Exchange,
    _ record: RequestRecord
  ) async -> Sharing.Outcome {
    let leader = LoopBound(exchange, on: loop)
    exchange.onGone = { [sharing] in
      sharing.leaderLeaves(own, on: leader.loop) { leader.loop.execute { leader.value.task?.cancel() } }
    }
    let result = await call(for: own.call, request, route, record.requestID, isRenewal: own.isRenewal)
    let outcome = await sharing.finish(own.call, result, route.adapter.writes, on: loop)
    exchange.onGone = nil
    return outcome ?? .failed(.cancelled("left while it made a shared call"))
  }

  /// The end of the time that the adapter's limits give a call that begins now.
  private func callDeadline(_ adapter: AdapterInstance) -> Instant {
    loop.now.advanced(byNanoseconds: adapter.callTime)
  }

  /// Makes a shared call, by itself or in one with the codes of different requests.
  private func call(
    for shared: InFlightCall, _ request: AdapterRequest, _ route: Route, _ requestID: String, isRenewal: Bool
  ) async -> Sharing.CallResult {
    let adapter = route.adapter
    let deadline = callDeadline(adapter)
    if let batch = route.batch {
      return await batch.merger.result(
        of: request, batch.policy, epoch: shared.epoch, deadline: deadline, isRenewal: isRenewal,
        call: upstreamCall(to: adapter, requestID))
    }
    return await caller.result(
      of: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
  }

  /// Returns a function that calls the adapter, for code that is not bound to this loop.
  private func upstreamCall(to adapter: AdapterInstance, _ requestID: String) -> BatchMerger.UpstreamCall {
    let caller = LoopBound(self.caller, on: loop)
    return { request, deadline, isRenewal in
      await caller.value.result(
        of: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
    }
  }

  /// Returns the response of a route that merges calls and shares nothing else.
  @inline(never)
  func merge(
    _ request: AdapterRequest, _ batch: Route.Batch, _ route: Route, _ record: RequestRecord
  ) async throws(GatewayError) -> AdapterResponse {
    let response = try await batch.merger.result(
      of: request, batch.policy, epoch: route.adapter.writes.current, deadline: record.deadline,
      call: upstreamCall(to: route.adapter, record.requestID)
    ).get()
    record.upstreamResponded(response)
    return response
  }
}
