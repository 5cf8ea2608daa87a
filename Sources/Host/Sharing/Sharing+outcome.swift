import AdapterAPI

// How an in-flight call is started in a task of its own, and how it ends: in that task, or in its leader's
// (`RequestPipeline.lead`).
extension Sharing {
  /// Starts a call that `find` has begun, in a task of its own on this loop, at once up to its first wait.
  func start(
    _ call: InFlightCall, _ writes: WriteEpoch, on loop: EventLoop, _ body: @escaping @Sendable () async -> CallResult
  ) {
    let task = Task.immediate(executorPreference: loop) {
      _ = await self.finish(call, await body(), writes, on: loop)
    }
    call.onCancel { task.cancel() }
  }

  /// Ends a call with its result: caches the response where it may be cached, and resumes the waiters.
  ///
  /// - Returns: the leader's outcome; nil when the call has no leader, or the leader has left.
  func finish(
    _ call: InFlightCall, _ result: CallResult, _ writes: WriteEpoch, on loop: EventLoop
  ) async -> Outcome? {
    switch result {
    case .failure(let error): return end(call, .failed(error), on: loop)
    case .success(let response):
      guard case .stream(let prefix, let rest) = response.body else { return end(call, response, writes, on: loop) }
      return await finish(call, response, prefix, rest, writes, on: loop)
    }
  }

  /// Ends a call whose result is not cached.
  private func end(_ call: InFlightCall, _ outcome: Outcome, on loop: EventLoop) -> Outcome? {
    resume(endUncached(call, on: loop), outcome)
  }

  private func endUncached(_ call: InFlightCall, on loop: EventLoop) -> Waiters<Waiter> {
    withStripe(of: call.key) { stripe in
      // A call of a route without a cache says nothing about the refreshes of another route.
      if call.policy.usesCache { stripe.cache.refreshFailed(call.key, now: loop.now) }
      return stripe.calls.end(call)
    }
  }

  /// Ends a call whose whole response is there.
  ///
  /// - Parameter charge: of a long body, where it is not cached; nil for a short one.
  private func end(
    _ call: InFlightCall, _ response: AdapterResponse, charge: MemoryCharge? = nil, _ writes: WriteEpoch,
    on loop: EventLoop
  ) -> Outcome? {
    guard call.policy.usesCache, isCacheable(response, of: call, writes) else {
      return end(call, .response(SharedResponse(response, charge: charge)), on: loop)
    }
    let response = response.trimmed
    let now = loop.now
    // One step under the lock: a request that comes in meanwhile finds the call or its cached response.
    let (waiters, cached) = withStripe(of: call.key) { stripe -> (Waiters<Waiter>, SharedResponse?) in
      let cached = stripe.cache.store(response, of: call, now: now)
      return (stripe.calls.end(call), cached)
    }
    let own = resume(waiters, .response(cached ?? SharedResponse(response, charge: charge)))
    if cached != nil || storeByEvictingElsewhere(response, call, now) { removeExpiredLater() }
    return own
  }

  /// Whether a response is whole and good, its call began when the upstream showed every write that had ended, and no write has begun
  /// since.
  private func isCacheable(_ response: AdapterResponse, of call: InFlightCall, _ writes: WriteEpoch) -> Bool {
    let view = writes.view(settle: call.policy.settle)
    return view.number == call.epoch && view.settledFrom <= call.began && response.isGood
  }

  /// Stores a response for which its own stripe had nothing to evict, by evicting from the other stripes.
  private func storeByEvictingElsewhere(_ response: AdapterResponse, _ call: InFlightCall, _ now: Instant) -> Bool {
    guard response.body.prefix.count <= cacheMemory.limit / 2 else { return false }
    for _ in 0..<64 {
      let evicted = evictOneOfEachStripe()
      if withStripe(of: call.key, { $0.cache.store(response, of: call, now: now) != nil }) { return true }
      guard evicted else { return false }
    }
    return false
  }

  /// Evicts cached responses until they fit into the server's memory limit, which may have become smaller.
  func evictToLimit() { while cacheMemory.isExceeded, evictOneOfEachStripe() {} }

  /// Returns false when no response is cached.
  private func evictOneOfEachStripe() -> Bool {
    var evicted = false
    forEachStripe { evicted = $0.cache.evictOne() || evicted }
    return evicted
  }

  // MARK: a response that is still arriving

  /// Hands a stream to a sole waiter; gathers it for several waiters or for the cache, up to `largestResponse`.
  private func finish(
    _ call: InFlightCall, _ response: AdapterResponse, _ prefix: [UInt8], _ rest: any BodyStream,
    _ writes: WriteEpoch, on loop: EventLoop
  ) async -> Outcome? {
    let mayBeCached = call.policy.usesCache && response.verdict == .ok && response.status == 200
    if !mayBeCached, let sole = withStripe(of: call.key, { $0.calls.endForSoleWaiter(call) }) {
      return resume(sole, .response(SharedResponse(response)))
    }
    if let remaining = rest.remaining, remaining > Sharing.largestResponse - prefix.count {
      return endNotShared(call, response, on: loop)
    }
    var body = prefix
    body.reserveCapacity(prefix.count + (rest.remaining ?? 0))
    // The bytes that have arrived so far.
    var charged = body.count
    memory.add(charged)
    defer { memory.add(-charged) }
    var whole = response
    do throws(AdapterError) {
      while let piece = try await rest.next() {
        body.append(contentsOf: piece)
        memory.add(piece.count)
        charged += piece.count
        if body.count > Sharing.largestResponse || memory.isExceeded(by: 0) {
          whole.body = .stream(prefix: body, rest: rest)
          return endNotShared(call, whole, on: loop)
        }
      }
    } catch {
      return end(call, .failed(GatewayError(error)), on: loop)
    }
    whole.body = .bytes(body)
    return end(call, whole, charge: MemoryCharge(body.count, to: memory), writes, on: loop)
  }

  /// Ends a call whose response is too large to be shared: the first waiter gets the stream, the later ones make their own calls.
  private func endNotShared(_ call: InFlightCall, _ response: AdapterResponse, on loop: EventLoop) -> Outcome? {
    var waiters = endUncached(call, on: loop)
    var own: Outcome?
    if let first = waiters.removeFirst() {
      own = resume(first, .response(SharedResponse(response)))
    } else if case .stream(_, let rest) = response.body {
      rest.cancel()
    }
    return resume(waiters, .notShared) ?? own
  }

  // MARK: expired responses

  /// Removes expired responses once a second while any are cached, so that an idle gateway holds none.
  private func removeExpiredLater() {
    guard !isSweeping.exchange(true, ordering: .sequentiallyConsistent) else { return }
    Task(executorPreference: home) { [weak self, home] in
      let clock = LoopClock(home: home)
      while true {
        try? await clock.sleep(until: clock.now() + .seconds(1))
        guard let self else { return }
        let now = clock.now()
        self.forEachStripe { $0.cache.removeExpired(now: now) }
        guard self.cacheMemory.used == 0 else { continue }
        self.isSweeping.store(false, ordering: .sequentiallyConsistent)
        // A response that was cached in between found the flag set, so this task has to continue.
        if self.cacheMemory.used == 0 || self.isSweeping.exchange(true, ordering: .sequentiallyConsistent) { return }
      }
    }
  }
}

extension AdapterResponse {
  /// A good envelope with everything that was requested, and not from another cache.
  var isGood: Bool {
    guard status == 200, verdict == .ok, case .bytes(let body) = body, body.count <= Sharing.largestResponse,
      TopLevel.firstByte(of: body) == UInt8(ascii: "{"),
      // A body may have been cut off before it was sent, with a length that fits.
      body.last(where: { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }) == UInt8(ascii: "}")
    else { return false }
    return fields["Content-Encoding"] == nil && fields["Age"] == nil && !TopLevel.hasErrors(in: body)
  }

  /// Without the spare capacity of its body.
  fileprivate var trimmed: AdapterResponse {
    guard case .bytes(let bytes) = body, bytes.capacity - bytes.count > bytes.count / 4 + 256 else { return self }
    var copy = self
    copy.body = .bytes(bytes.withUnsafeBufferPointer { Array($0) })
    return copy
  }
}
